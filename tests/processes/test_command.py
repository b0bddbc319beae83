"""The command itself: light to start, and without a traceback for anybody."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

import service.cli
from service.cli import main


def test_help_imports_nothing_heavy():
    program = "import sys, json, service.cli; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    heavy = {
        "asyncpg",
        "boto3",
        "botocore",
        "granian",
        "httpx",
        "litestar",
        "msgspec",
        "numba",
        "numpy",
        "rich",
        "structlog",
    }
    assert heavy & set(loaded) == set()


def test_every_command_that_is_listed_is_there():
    missing = []
    for name in main.list_commands(None):
        try:
            assert isinstance(main.get_command(None, name), click.Command)
        except (ImportError, AttributeError) as error:
            missing.append((name, str(error)))
    assert missing == []


@pytest.fixture
def broken(monkeypatch, tmp_path):
    def fail() -> None:
        raise RuntimeError("no luck with postgresql://u:hush@h/d")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(service.cli, "broken", click.Command("broken", callback=fail), raising=False)
    monkeypatch.setitem(service.cli._COMMANDS, "broken", ("service.cli:broken", ""))
    return tmp_path / "assay" / "errors.log"


def test_what_nobody_expected_is_one_line_that_names_the_log(broken, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["broken"])
    assert ended.value.code == 70
    assert capsys.readouterr().err == (
        f"assay: unexpected error: RuntimeError: no luck with postgresql://u:[redacted]@h/d "
        f"(the traceback is in {broken}; --debug shows it)\n"
    )
    kept = broken.read_text()
    assert "Traceback" in kept
    assert "hush" not in kept


def test_debug_shows_the_traceback(broken):
    with pytest.raises(RuntimeError, match="no luck"):
        main(["--debug", "broken"])


def test_an_unknown_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["labels-export"])
    assert ended.value.code == 2
    assert "No such command 'labels-export'" in capsys.readouterr().err
