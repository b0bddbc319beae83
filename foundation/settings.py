"""Settings: defaults, a TOML file, the environment and the command line, each overruling the one before.

An environment variable is the setting's name in capitals after ``ASSAY_``, with two underscores where the TOML
file has a dot: ``ASSAY_MARKETS__HOUSE__ENDPOINT`` is ``markets.house.endpoint``. ``DATABASE_URL`` keeps its usual
name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from foundation.sources import Given, SettingsError, collect, convert

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MarketSettings",
    "MarketplaceSettings",
    "PipelineSettings",
    "Settings",
    "SettingsError",
    "load_settings",
]

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Rate = Annotated[float, Meta(gt=0)]
Fees = Literal["mturk", "none"]

_MARKET_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
_MARKET_NAME_EXPECTED = "a lower-case letter, then up to 31 of a-z, 0-9, _ and -"

CONFIG_FILE = "assay.toml"
_NAMED_ENDPOINTS = ("embedded", "production", "sandbox")


class MarketSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place where workers come from.

    `endpoint` is ``embedded`` (the marketplace that `assay up` runs), ``production``, ``sandbox`` or a URL.
    Rates are requests per second; without them a market starts uncapped.
    """

    adapter: Literal["mturk"] = "mturk"
    endpoint: str = "embedded"
    access_key: str | None = None
    secret_key: str | None = None
    region: str = "us-east-1"
    fees: Fees = "mturk"
    initial_rate: Rate | None = None
    ceiling_rate: Rate | None = None
    max_connections: Annotated[int, Meta(ge=1, le=256)] = 16

    def __repr__(self) -> str:
        return f"MarketSettings(adapter={self.adapter!r}, endpoint={self.endpoint!r})"  # never the keys


class PipelineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the pipeline looks, in seconds, and how much it has on its way to a market at once."""

    collect_every: Seconds = 1.0
    sweep_every: Seconds = 15.0
    infer_debounce: Annotated[float, Meta(ge=0, le=86_400)] = 0.5
    effects_in_flight: Annotated[int, Meta(ge=1, le=256)] = 8


class MarketplaceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Our own marketplace.

    `installation_key` encrypts the requesters' secrets; without it the data folder's is used. `misbehave` allows the
    marketplace to be told to throttle, delay and fail: for tests alone.
    """

    fees: Fees = "mturk"
    opening_deposit_cents: Annotated[int, Meta(ge=0, le=100_000_000_000)] = 100_000
    session_days: Annotated[int, Meta(ge=1, le=365)] = 14
    installation_key: str | None = None
    misbehave: bool = False
    sweep_every: Seconds = 5.0

    def __repr__(self) -> str:
        return f"MarketplaceSettings(fees={self.fees!r})"  # never the key


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All there is to set. Without `database_url` the embedded Postgres is used, in `data`."""

    data: Path
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8800
    public_url: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    markets: dict[str, MarketSettings] = msgspec.field(default_factory=lambda: {"house": MarketSettings()})
    pipeline: PipelineSettings = PipelineSettings()
    marketplace: MarketplaceSettings = MarketplaceSettings()

    def __repr__(self) -> str:
        # Never the database's URL, which carries a password.
        return f"Settings(data={str(self.data)!r}, host={self.host!r}, port={self.port})"

    @property
    def base_url(self) -> str:
        """Where others reach this process, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        return f"http://{_reachable(self.host)}:{self.port}"

    @property
    def local_url(self) -> str:
        """Where this machine reaches this process, without a trailing slash."""
        return f"http://{_reachable(self.host)}:{self.port}"


def load_settings(config: Path | None = None, env: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Gather the settings and check them.

    Parameters
    ----------
    config : Path, optional
        The TOML file; without it ``assay.toml`` in the current folder, where there is one.
    env : Mapping, optional
        The environment; this process' own by default.
    **overrides
        Options of the command line by the setting's name; None means that the option was not given.

    Raises
    ------
    SettingsError
        One line: the setting, its source, what was expected and, unless it is a secret, what was there.
    """
    env = os.environ if env is None else env
    given = collect(Settings, _config_file(config), env, overrides)
    if ("data",) not in given:
        given["data",] = Given(str(default_data_folder(env)), "the default", lax=True)
    for key, entry in given.items():
        if key[0] == "markets" and len(key) > 1 and not _MARKET_NAME.match(key[1]):
            raise SettingsError(f"{entry.source}: a market's name is {_MARKET_NAME_EXPECTED}, got {key[1]!r}")
    fees = given.get(("marketplace", "fees"))
    for path in [path for path in given if path[0] == "markets" and len(path) == 3] or [("markets", "house", "")]:
        endpoint = given.get(("markets", path[1], "endpoint"))
        if fees is not None and (endpoint is None or endpoint.value == "embedded"):
            given.setdefault(("markets", path[1], "fees"), fees)  # what the marketplace takes, the market is billed
    settings = convert(Settings, given)
    _check(settings, given)
    return settings


def default_data_folder(env: Mapping[str, str]) -> Path:
    """Return the user's data folder for Assay; the system's as root.

    Raises
    ------
    SettingsError
        Where the user has no home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/assay")
    base = env.get("XDG_DATA_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "assay"
    try:
        home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    except RuntimeError:
        raise SettingsError("this user has no home; choose a data folder with --data or ASSAY_DATA") from None
    return home / ".local" / "share" / "assay"


def _config_file(config: Path | None) -> Path | None:
    if config is not None:
        return config
    here = Path(CONFIG_FILE)
    return here if here.is_file() else None


def _check(settings: Settings, given: Mapping[tuple[str, ...], Given]) -> None:
    """Check what a type cannot say."""

    def refuse(path: tuple[str, ...], expected: str) -> None:
        raise given[path].refused(path, expected)

    if settings.database_url and urlsplit(settings.database_url).scheme not in {"postgresql", "postgres"}:
        refuse(("database_url",), "expected an address such as postgresql://user:password@host/database")
    if settings.public_url is not None and not _is_url(settings.public_url):
        refuse(("public_url",), "expected an address such as https://labels.example.org")
    for name, market in settings.markets.items():
        if market.endpoint not in _NAMED_ENDPOINTS and not _is_url(market.endpoint):
            refuse(
                ("markets", name, "endpoint"),
                "expected 'embedded', 'production', 'sandbox' or an http(s) address",
            )
        if (market.access_key is None) != (market.secret_key is None):
            missing, there = ("secret_key", "access_key") if market.secret_key is None else ("access_key", "secret_key")
            refuse(("markets", name, there), f"expected {missing} beside it")
        if market.initial_rate and market.ceiling_rate and market.initial_rate > market.ceiling_rate:
            refuse(("markets", name, "initial_rate"), f"expected at most ceiling_rate, {market.ceiling_rate:g}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _reachable(host: str) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
