"""The locks: whole, hashed, of one mind, and without the address of any index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("tools", "runtime", "development")


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Return each locked distribution with its version and the number of its hashes."""
    found = {}
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    for entry in re.split(r"\n(?=[a-zA-Z0-9])", text):
        if match := re.match(r"([a-zA-Z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", entry):
            found[match[1].lower()] = (match[2], entry.count("--hash=sha256:"))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_distribution_is_pinned_and_hashed_and_no_index_is_named(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = locked(name)
    assert [distribution for distribution, (_, hashes) in entries.items() if not hashes] == []
    starts = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(starts) >= len(entries)
    assert all("==" in line for line in starts)
    assert "://" not in text


def test_the_locks_agree_on_what_they_share():
    runtime, development, tools = locked("runtime"), locked("development"), locked("tools")
    for distribution, entry in (runtime | tools).items():
        if distribution in development:
            assert development[distribution] == entry
    assert set(runtime) <= set(development)


def test_what_the_project_names_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    named = {
        "tools": groups["tools"],
        "runtime": project["project"]["dependencies"],
        "development": [entry for entry in groups["dev"] if isinstance(entry, str)],
    }
    for lock, requirements in named.items():
        names = {re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-") for requirement in requirements}
        assert names - {name.replace("_", "-") for name in locked(lock)} == set()
    assert "transformers" not in locked("development")
