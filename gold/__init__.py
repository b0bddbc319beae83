"""Decide about gold items and about what to believe of workers."""
