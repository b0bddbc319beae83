"""The service: everything of Assay that touches the world."""
