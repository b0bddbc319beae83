"""Call the API from the command line: where it is, with which key, and what is said when it refuses or is not there.

Exit codes: 0 done, 1 refused by the API, 2 used wrongly, 3 the API cannot be reached.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit

import click
import httpx
from rich.console import Console

DEFAULT_URL: Final = "http://127.0.0.1:8800"

JOB = click.argument("job_id", metavar="JOB", callback=lambda _context, _parameter, value: quote(value, safe=""))
"""A job's id as an argument, fit for a path whatever was typed."""

_PROBLEM = "/v1/docs#problem-"
_SHOWN_ERRORS = 20
_WIDE = 250
_TIMEOUT = httpx.Timeout(60, connect=10, read=600)  # a large upload is checked and stored before it is answered
_UNSENDABLE: Final = 127


class ApiError(click.ClickException):
    """The API refused, or is not there; one line says why, and what is wrong in detail follows."""

    exit_code = 1

    def __init__(self, message: str, *, details: list[str] | None = None) -> None:
        super().__init__(message)
        self.details = details or []

    def show(self, file: Any = None) -> None:
        """Write the message to standard error."""
        for line in (f"assay: {self.message}", *(f"  {detail}" for detail in self.details)):
            click.echo(line, err=True, file=file)


class UnreachableError(ApiError):
    """The API is not there, or the connection to it broke."""

    exit_code = 3


class Api:
    """The API, as a command calls it.

    Parameters
    ----------
    url : str
        Where it is, with or without /v1.
    key : str
        The API key.
    as_json : bool
        Whether the command writes JSON.
    """

    def __init__(self, url: str, key: str, *, as_json: bool) -> None:
        base = url.rstrip("/").removesuffix("/v1")
        if not _is_address(base):
            raise click.UsageError(f"{url!r} is no address; expected one such as {DEFAULT_URL}")
        self._client = httpx.Client(base_url=f"{base}/v1", headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT)
        self.url = base
        self.as_json = as_json
        self.console = Console(stderr=as_json, highlight=False, markup=False)
        if not self.console.is_terminal:
            self.console.width = _WIDE  # nobody's screen: nothing needs to be cut

    def __call__(self, method: str, path: str, **request: Any) -> Any:
        """Call the API and return the JSON of its answer.

        Raises
        ------
        ApiError
            Where it refuses, or is not there.
        """
        with self._told():
            answer = self._client.request(method, path, **request)
        _check(answer)
        return answer.json() if answer.content else None

    @contextmanager
    def stream(self, path: str, **request: Any) -> Iterator[Iterator[bytes]]:
        """Yield the chunks of an answer of any size."""
        with self._told(), self._client.stream("GET", path, **request) as answer:
            if answer.is_error:
                answer.read()
                _check(answer)
            yield self._whole(answer)

    def every(self, path: str, **params: Any) -> Iterator[Any]:
        """Yield all rows of a list, page after page."""
        cursor: dict[str, str] = {}
        while True:
            page = self("GET", path, params={"limit": 1000, **params, **cursor})
            yield from page["data"]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _whole(self, answer: httpx.Response) -> Iterator[bytes]:
        try:
            yield from answer.iter_bytes()
        except httpx.RemoteProtocolError:  # the status was sent before it could be known
            raise UnreachableError(
                f"{self.url} broke off before its answer was whole; try again, and see its log if that is no help"
            ) from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one line what keeps a call from its answer."""
        try:
            yield
        except httpx.ConnectError:
            raise UnreachableError(
                f"nothing answers at {self.url}; start it with 'assay up', or name another with --url or ASSAY_URL"
            ) from None
        except httpx.TimeoutException:
            raise UnreachableError(f"{self.url} did not answer in time; try again") from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"the connection to {self.url} broke: {reason}") from None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and bool(httpx.URL(url).host)
    except (ValueError, httpx.InvalidURL):
        return False


def write_json(value: Any) -> None:
    """Write JSON to standard output, for scripts."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def with_api(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --url, --api-key and --json, and the API as its first argument."""

    @click.option("--url", envvar="ASSAY_URL", default=DEFAULT_URL, show_default=True, help="Where Assay is.")
    @click.option("--api-key", envvar="ASSAY_API_KEY", help="The API key; otherwise ASSAY_API_KEY.")
    @click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")
    @functools.wraps(command)
    def run(*, url: str, api_key: str | None, as_json: bool, **rest: Any) -> Any:
        if not api_key:
            raise click.UsageError("no API key: set ASSAY_API_KEY or give --api-key ('assay key create' makes one)")
        if not api_key.isascii() or any(ord(one) < ord(" ") or ord(one) >= _UNSENDABLE for one in api_key):
            raise click.UsageError("the API key has characters that no key has")
        api = Api(url, api_key.strip(), as_json=as_json)
        try:
            return command(api, **rest)
        finally:
            api.close()

    return run


def _check(answer: httpx.Response) -> None:
    """Turn a problem into an error that says it."""
    if not answer.is_error:
        return
    try:
        problem = answer.json()
        if not problem["type"].startswith(_PROBLEM):
            raise ValueError(problem["type"])  # noqa: TRY301 - as with what is no JSON at all
        message, errors, total = problem["detail"], problem.get("errors", []), problem.get("errors_total")
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = f"{answer.status_code} {answer.reason_phrase}"
        raise ApiError(f"{answer.url.host} answered {reason}; is it Assay?") from None
    details = [_detail(error) for error in errors]
    if len(details) == 1 and details[0] in message:
        details = []
    unnamed = max(total or 0, len(details)) - _SHOWN_ERRORS
    details = details[:_SHOWN_ERRORS] + ([f"… and {unnamed} more"] if unnamed > 0 else [])
    raise ApiError(message, details=details)


def _detail(error: dict[str, Any]) -> str:
    where = [f"line {error['line']}"] if "line" in error else []
    where += [str(error[name]) for name in ("external_id", "field") if error.get(name)]
    return ": ".join([*where, str(error["message"])])
