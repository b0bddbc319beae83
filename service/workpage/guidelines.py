"""Guidelines: Markdown from an operator, shown to strangers."""

from __future__ import annotations

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "hr", "img", "li", "ol", "p", "pre", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}}
_SCHEMES = {"http", "https"}


@lru_cache(maxsize=64)
def guidelines_html(markdown: str) -> Markup:
    """Return Markdown as HTML in which nothing but the tags, attributes and link schemes above is left."""
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(clean.strip())  # noqa: S704 - sanitised just above
