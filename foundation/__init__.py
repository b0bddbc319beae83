"""What service and marketplace both stand on."""
