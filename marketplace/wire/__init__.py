"""The Requester API on the wire: JSON 1.1 and signature version 4, from botocore's own model of the service."""
