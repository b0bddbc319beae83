"""Crowds, made up or replayed, that work through the worker site."""
