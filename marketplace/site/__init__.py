"""The site where workers find HITs, do them and see what they earned: server-rendered pages, hardly any script."""

from marketplace.site.router import create_site_router
from marketplace.site.site import Site

__all__ = ["Site", "create_site_router"]
