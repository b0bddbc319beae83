"""The commands that call the API, and a real server for them to call."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from foundation.serving.server import serving
from foundation.telemetry import configure_logging
from service.app import Service
from service.cli import main
from tests.api.conftest import Api, app, open_api, open_client, service

__all__ = ["app", "service"]  # the API's own fixtures

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Shell:
    """Runs commands as somebody at a shell would, with the API's address and key in the environment."""

    api: Api
    url: str

    async def __call__(self, *args: str, stdin: str | bytes | None = None, **env: str) -> Result:
        given = {"ASSAY_URL": self.url, "ASSAY_API_KEY": self.api.key, "COLUMNS": "200"} | env
        return await asyncio.to_thread(CliRunner().invoke, main, args, input=stdin, env=given)

    async def json(self, *args: str) -> Any:
        result = await self(*args, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture(scope="session")
async def served(app: Any) -> AsyncIterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configure_logging(level="error")  # what the server logs must not land in what a command prints
    async with serving(app, "127.0.0.1", port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def shell(app: Any, service: Service, served: str) -> AsyncIterator[Shell]:
    async with open_client(app) as client:
        yield Shell(await open_api(client, service), served)
