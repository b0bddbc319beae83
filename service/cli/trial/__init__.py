"""Whole jobs tried end to end: Assay in a process of its own, and a simulated crowd at its worker site."""
