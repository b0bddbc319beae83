"""The Dockerfile and compose.yaml: linted, and of one mind with the wheel, the settings and the command.

No container is run here: that each line does what it should shows where the image is built. These hold the two files to
what the rest of the repository says.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from foundation.settings import Settings, load_settings
from service.cli import main

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE_TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
OURS = {name: service for name, service in COMPOSE["services"].items() if name != "postgres"}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def lines() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in lines() if name == instruction]


def filled(text: str, given: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: given.get(found[1]) or (found[3] if found[2] == "-" else ""), text)


def environment(service: dict[str, Any], **given: str) -> dict[str, str]:
    return {name: filled(str(value), given) for name, value in service.get("environment", {}).items()}


@pytest.mark.parametrize(
    "command",
    [["hadolint", "Dockerfile"], ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]],
    ids=lambda command: command[0],
)
def test_the_linters_have_nothing_to_say(command):
    program = Path(sys.executable).with_name(command[0])
    said = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, ""), said.stdout + said.stderr


def test_what_is_copied_is_there_is_let_through_and_covers_the_wheel():
    sources = [source for rest in arguments("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source.partition("/")[0] for source in sources} == let_through
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {*wheel, "pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= set(sources), "what the wheel is built from"


def test_the_image_is_nobody_special_and_keeps_no_tools():
    stages = DOCKERFILE.split("\nFROM ")
    final = stages[-1]
    assert len(stages) == 3, "one stage builds, the other runs"
    assert re.search(r"^USER (\d+):(\d+)$", final, re.MULTILINE).groups() == ("10001", "10001")
    installed = re.search(r"apt-get install -y --no-install-recommends ([\w.+ -]+?)\s*\\", final)[1].split()
    assert installed == ["libgomp1"]
    assert "pip install" not in final
    assert "/usr/local/bin/pip*" in final


def test_settings_of_both_files_are_settings_that_exist():
    image = dict(re.findall(r"(ASSAY_\w+)=([^\s\\]+)", " ".join(arguments("ENV"))))
    assert {"ASSAY_DATA", "ASSAY_HOST", "ASSAY_LOG_FORMAT"} <= image.keys()
    named = {*image, *(name for service in OURS.values() for name in service["environment"])} - {"DATABASE_URL"}
    known = {f"ASSAY_{name.upper()}" for name in Settings.__struct_fields__}
    assert {name.partition("__")[0] for name in named if name.startswith("ASSAY_")} <= known
    given = {"POSTGRES_PASSWORD": "secret", "ASSAY_MARKETPLACE__INSTALLATION_KEY": "k" * 44}
    for name, service in OURS.items():
        settings = load_settings(env=image | environment(service, **given))
        assert settings.database_url == "postgresql://assay:secret@postgres/assay", name
        assert (settings.host, settings.log_format) == ("0.0.0.0", "json")
        exposed = [port.rpartition(":")[2] for port in service.get("ports", ())]
        assert exposed in ([], [str(settings.port)]), name
    assert arguments("EXPOSE") == [str(settings.port)]
    work = load_settings(env=image | environment(OURS["work"], **given))
    port = load_settings(env=image | environment(OURS["marketplace"], **given)).port
    assert work.markets["house"].endpoint == f"http://marketplace:{port}/mturk"


def test_every_command_is_one_of_assays():
    commands = [json.loads(rest) for rest in arguments("CMD")] + [service["command"] for service in OURS.values()]
    assert arguments("ENTRYPOINT") == ['["assay"]']
    assert len(commands) == 4
    for name, *options in commands:
        command = main.get_command(click.Context(main), name)
        assert command is not None, name
        assert set(options) <= {option for one in command.params for option in one.opts}, name


def test_the_password_of_postgres_is_the_one_that_is_used_and_every_variable_is_explained():
    asked = {found[0] for found in VARIABLE.findall(COMPOSE_TEXT)}
    explained = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert explained <= asked
    assert asked - explained == {"ASSAY_VERSION", "ASSAY_LOG_LEVEL", "ASSAY_MARKETS__HOUSE__ENDPOINT"}, "have defaults"
    told = environment(COMPOSE["services"]["postgres"], POSTGRES_PASSWORD="secret")
    url = "postgresql://{POSTGRES_USER}:{POSTGRES_PASSWORD}@postgres/{POSTGRES_DB}".format(**told)
    assert environment(OURS["serve"], POSTGRES_PASSWORD="secret")["DATABASE_URL"] == url


def test_the_image_installs_what_the_wheel_test_installs():
    """What `test_wheel.py` proves in an empty environment holds for the image too: one lock, the same steps."""
    [lock, build] = [rest for rest in arguments("RUN") if "uv pip" in rest]
    assert "uv pip sync" in lock
    assert "--require-hashes requirements/runtime.txt" in lock
    assert "-m hatchling build -t wheel" in build
    assert re.search(r"uv pip install [^&]*--no-deps dist/\*\.whl", build)
    tools = (ROOT / "requirements" / "tools.txt").read_text()
    assert {"uv", "hatchling"} <= set(re.findall(r"^([\w-]+)==", tools, re.MULTILINE)), (
        "the tools that these lines call"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    python = project["project"]["requires-python"]
    bases = {line.partition(" ")[0] for line in arguments("FROM")}
    assert bases == {"python:3.11-slim"}, "no compiler is in it, and none is installed"
    assert python.startswith(">=3.11,"), "the base is the oldest Python that is tested"
    assert "python -m aggregation.warm" in arguments("RUN")
    assert importlib.util.find_spec("aggregation.warm")


def test_the_database_is_new_enough_healthy_before_others_start_and_outlives_its_container():
    postgres = COMPOSE["services"]["postgres"]
    assert int(postgres["image"].removeprefix("postgres:")) >= 15
    assert [volume.partition(":")[::2] for volume in postgres["volumes"]] == [("database", "/var/lib/postgresql/data")]
    assert "database" in COMPOSE["volumes"]
    assert "ports" not in postgres, "nobody outside reaches it"
    told = postgres["environment"]
    assert {f"--username={told['POSTGRES_USER']}", f"--dbname={told['POSTGRES_DB']}"} <= set(
        postgres["healthcheck"]["test"]
    )


def test_each_service_is_shut_in_restarts_and_waits_for_the_database():
    writable = set(json.loads(arguments("VOLUME")[0]))
    for name, service in OURS.items():
        assert service["read_only"] is True
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
        assert service["restart"] == "unless-stopped"
        assert service["depends_on"]["postgres"] == {"condition": "service_healthy"}
        assert {volume.partition(":")[2] for volume in service["volumes"]} == writable, name
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= COMPOSE["volumes"].keys()
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published), "TLS is the proxy's"


class Answer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        assert self.path == "/health"
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_is_that_of_the_port_that_is_set(status, healthy):
    command = json.loads(arguments("HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[0] == "python"
    server = HTTPServer(("127.0.0.1", 0), type("Told", (Answer,), {"status": status}))
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    env = os.environ | {"ASSAY_PORT": str(server.server_port)}
    checked = subprocess.run([sys.executable, *command[1:]], env=env, capture_output=True, check=False)
    thread.join()
    server.server_close()
    assert (checked.returncode == 0) == healthy, checked.stderr
