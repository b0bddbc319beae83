"""What a process that serves is made of: an application with its probes, a server, and a clean stop."""
