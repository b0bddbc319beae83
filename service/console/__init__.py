"""What operations and analysts see: pages that need nothing from elsewhere, and no script."""
