"""The API's reference as one HTML page, made from its OpenAPI document: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from service.api.openapi import document
from service.api.problems import KINDS

_STYLE = """
:root{color-scheme:light dark;--line:#d5d7de;--soft:#5b6070;--bar:#f4f5f8;--link:#1d4fb8}
@media(prefers-color-scheme:dark){:root{--line:#3a3d46;--soft:#a5a9b8;--bar:#1e2027;--link:#8ab0ff}}
body{margin:0;font:16px/1.55 system-ui,sans-serif;display:grid;grid-template-columns:17rem minmax(0,1fr)}
nav{border-right:1px solid var(--line);background:var(--bar);padding:1rem;height:100vh;overflow:auto;position:sticky;
top:0;box-sizing:border-box;font-size:.9rem}
nav ul{list-style:none;margin:.2rem 0 1rem;padding:0}nav li{margin:.15rem 0}
main{padding:1rem 2rem 4rem;max-width:56rem}a{color:var(--link)}h2{margin-top:3rem;border-bottom:1px solid var(--line)}
h3{margin:2.2rem 0 .3rem}code{font:.88em ui-monospace,monospace;overflow-wrap:anywhere}
.path{background:var(--bar);border:1px solid var(--line);border-radius:.3rem;padding:.35rem .6rem;display:block}
table{border-collapse:collapse;width:100%;margin:.4rem 0 1rem;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
caption{text-align:left;color:var(--soft);font-size:.85rem;padding-top:.4rem}
td p{margin:0}.soft{color:var(--soft);font-size:.9rem}
@media(max-width:52rem){body{display:block}nav{height:auto;position:static;border:0}main{padding:1rem}}
"""

_PAGE = Markup(
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<title>{title}</title><style>{style}</style></head><body><nav aria-label="Contents">{contents}</nav>'
    "<main><h1>{title}</h1>{about}<p>Every request carries an API key: <code>Authorization: Bearer assay_…</code>. "
    'For programs: <a href="/v1/openapi.json">the OpenAPI document</a>.</p>{operations}{problems}{schemas}</main>'
    "</body></html>"
)
_METHODS = ("get", "post", "put", "patch", "delete")


@cache
def page() -> str:
    """Return the reference of the API."""
    told = document()
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in told["tags"]}
    for path, item in told["paths"].items():
        for method in _METHODS:
            if method in item:
                by_tag[item[method]["tags"][0]].append((method, path, item[method]))
    about = {tag["name"]: tag["description"] for tag in told["tags"]}
    by_tag = {tag: operations for tag, operations in by_tag.items() if operations}
    schemas = told["components"]["schemas"]
    return str(
        _PAGE.format(
            title=f"{told['info']['title']} API {told['info']['version']}",
            style=Markup(_STYLE.replace("\n", "")),  # noqa: S704 - ours
            about=_markdown(told["info"]["description"]),
            contents=_contents(by_tag, about, schemas),
            operations=_joined(
                Markup("<h2>{}</h2>{}").format(about[tag], _joined(_operation(*one) for one in operations))
                for tag, operations in by_tag.items()
            ),
            problems=_problems(),
            schemas=Markup('<h2 id="schemas">Schemas</h2>{}').format(
                _joined(_schema(name, schema) for name, schema in sorted(schemas.items()))
            ),
        )
    )


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _markdown(text: str) -> Markup:
    return Markup(MarkdownIt("commonmark", {"html": False}).render(text))  # noqa: S704 - our own docstrings


def _inline(text: str) -> Markup:
    return Markup(MarkdownIt("commonmark", {"html": False}).renderInline(text))  # noqa: S704 - our own


def _contents(
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]], about: dict[str, str], schemas: dict[str, Any]
) -> Markup:
    def entries(links: Iterable[tuple[str, str]]) -> Markup:
        return Markup("<ul>{}</ul>").format(
            _joined(Markup('<li><a href="#{}">{}</a></li>').format(target, text) for target, text in links)
        )

    parts = [
        Markup("<strong>{}</strong>{}").format(
            about[tag], entries((o["operationId"], o["summary"]) for *_, o in all_of)
        )
        for tag, all_of in by_tag.items()
    ]
    parts.append(Markup('<strong><a href="#problems">Problems</a></strong>'))
    parts.append(Markup('<p><strong><a href="#schemas">Schemas</a></strong></p>'))
    parts.append(entries((f"schema-{name}", name) for name in sorted(schemas)))
    return _joined(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Markup:
    scopes = [scope for one in operation["security"] for scope in one["key"]]
    return Markup('<section><h3 id="{}">{}</h3><code class="path">{} {}</code>{}{}{}{}</section>').format(
        operation["operationId"],
        operation["summary"],
        method.upper(),
        path,
        _markdown(operation.get("description", "")),
        Markup('<p class="soft">Needs the scope <code>{}</code>.</p>').format(scopes[0]) if scopes else "",
        _inputs(operation),
        _outputs(operation),
    )


def _inputs(operation: dict[str, Any]) -> Markup:
    rows: list[tuple[Any, ...]] = [
        (
            Markup("<code>{}</code>").format(one["name"]),
            one["in"],
            _kind(one["schema"]),
            _inline(one.get("description", "")),
        )
        for one in operation.get("parameters", ())
    ]
    body = operation.get("requestBody", {}).get("content", {})
    rows += [("body", Markup("<code>{}</code>").format(kind), _kind(one["schema"]), "") for kind, one in body.items()]
    return _table("Takes", ("Name", "Where", "What", "About"), rows)


def _outputs(operation: dict[str, Any]) -> Markup:
    rows = []
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        kinds = _joined(
            Markup("{}<code>{}</code> {}").format(Markup("<br>") if number else "", kind, _kind(one["schema"]))
            for number, (kind, one) in enumerate(content.items())
        )
        rows.append((status, response["description"], kinds))
    return _table("Answers", ("Status", "When", "With"), rows)


def _schema(name: str, schema: dict[str, Any]) -> Markup:
    required = set(schema.get("required", ()))
    rows = [
        (
            Markup("<code>{}</code>").format(field),
            _kind(told),
            Markup("{}{}").format(_inline(told.get("description", "")), "" if field in required else _default(told)),
        )
        for field, told in schema.get("properties", {}).items()
    ]
    heading = Markup('<h3 id="schema-{0}">{0}</h3><p>{1}</p>').format(name, schema.get("description", ""))
    return heading + _table("", ("Field", "What", "About"), rows)


def _default(told: dict[str, Any]) -> Markup:
    if "default" not in told:
        return Markup(' <span class="soft">may be left out</span>')
    default = msgspec.json.encode(told["default"]).decode()
    return Markup(' <span class="soft"><code>{}</code> where it is left out</span>').format(default)


def _problems() -> Markup:
    rows = [
        (Markup('<code id="problem-{0}">{0}</code>').format(kind), str(status), title)
        for kind, (status, title) in KINDS.items()
    ]
    about = Markup('<h2 id="problems">Problems</h2><p>The kinds of problems; <code>type</code> ends with one.</p>')
    return about + _table("", ("Kind", "Status", "Title"), rows)


def _table(caption: str, heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Markup:
    if not rows:
        return Markup("")
    return Markup("<table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
        Markup("<caption>{}</caption>").format(caption) if caption else "",
        _joined(Markup("<th scope=col>{}</th>").format(head) for head in heads),
        _joined(
            Markup("<tr>{}</tr>").format(_joined(Markup("<td>{}</td>").format(cell) for cell in row)) for row in rows
        ),
    )


def _kind(schema: dict[str, Any]) -> Markup:
    """Name what a schema asks for, with a link where it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return Markup(" | ").join(Markup("<code>{}</code>").format("null" if v is None else v) for v in schema["enum"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema.get("items") or {}))
    return escape(" ".join([str(schema.get("format") or schema.get("type") or "any"), *_limits(schema)]))


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    for least, most, unit in (("minimum", "maximum", ""), ("minLength", "maxLength", " characters")):
        if least in schema or most in schema:
            yield f"{schema.get(least, '')}…{schema.get(most, '')}{unit}"
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']}"
