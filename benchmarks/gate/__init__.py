"""What a gate is worth: the same crowds, consensus and stopping rule, with and without gates."""
