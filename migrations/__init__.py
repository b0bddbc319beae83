"""Numbered SQL migrations of the service and of the marketplace."""
