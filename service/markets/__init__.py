"""The places where workers come from."""
