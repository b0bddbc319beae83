"""What a worker sees of a micro-task."""
