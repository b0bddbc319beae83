"""A marketplace that speaks the Mechanical Turk Requester API."""
