"""A marketplace of one's own: the Mechanical Turk Requester API on the wire, and a site for its workers."""
