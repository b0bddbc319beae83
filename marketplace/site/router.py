"""The worker site put together."""

from __future__ import annotations

from litestar import Request, Response, Router
from litestar.di import Provide
from litestar.params import FromPath

from marketplace.site import assets, earnings, entrance, frames, listing, qualifications, work
from marketplace.site.given import Given
from marketplace.site.refusals import HANDLERS
from marketplace.site.site import Site
from marketplace.site.visitors import Fields, provide_fields, provide_guest_fields, provide_visitor
from marketplace.store.sessions import Session

LONGEST_FORM = 64 * 1024


def create_site_router(site: Site) -> Router:
    """Make the router that serves everything under ``/worker``."""
    return Router(
        path="/worker",
        route_handlers=[
            *assets.ROUTES,
            *entrance.ROUTES,
            *listing.ROUTES,
            *work.ROUTES,
            *frames.ROUTES,
            *earnings.ROUTES,
            *qualifications.ROUTES,
        ],
        dependencies={
            "site": Provide(lambda: site, sync_to_thread=False),
            "visitor": Provide(provide_visitor),
            "fields": Provide(provide_fields),
            "guest_fields": Provide(provide_guest_fields),
        },
        exception_handlers=HANDLERS,
        include_in_schema=False,
        request_max_body_size=LONGEST_FORM,
        signature_types=[Fields, Request, Response, Session, Site],
        signature_namespace={"FromPath": FromPath, "Given": Given},
    )
