"""Infer labels from workers' answers."""
