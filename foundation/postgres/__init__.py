"""Postgres: a server of our own from a wheel, connections to any server, and migrations."""
