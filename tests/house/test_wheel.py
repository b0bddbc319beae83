"""The wheel: built, installed into an empty environment, and started by an ordinary user from another folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
INSTALL_SECONDS = 300
START_SECONDS = 120
STOP_SECONDS = 10
UNPRIVILEGED = "nobody"


def as_ordinary_user() -> dict[str, object]:
    """Return how a process is started as an ordinary user: as ourselves, unless we are root."""
    if os.geteuid() != 0:
        return {}
    import pwd

    user = pwd.getpwnam(UNPRIVILEGED)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def python_for_everybody() -> str:
    """Return a Python that an ordinary user may run: ours, or the system's where ours is below root's folders."""
    for python in (
        sys.executable,
        *(shutil.which(f"python3.{minor}", path="/usr/bin:/usr/local/bin") or "" for minor in (11, 12, 13)),
    ):
        if not python:
            continue
        program = "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
        try:
            base = os.path.realpath(python)
            if subprocess.run([base, "-c", program], cwd="/", check=False, **as_ordinary_user()).returncode == 0:
                return base
        except PermissionError:
            continue
    pytest.skip("no Python from 3.11 to 3.13 that an ordinary user may run")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="assay-wheel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def wheel(place: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def assay(place: Path, wheel: Path) -> Path:
    """The command, in an environment that has the locked dependencies and the wheel, and nothing of this checkout."""
    environment = place / "environment"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    into = ["--python", str(environment / "bin" / "python")]
    for command in (
        ["venv", "--python", python_for_everybody(), str(environment)],
        ["pip", "sync", *into, "--require-hashes", str(ROOT / "requirements" / "runtime.txt")],
        ["pip", "install", *into, "--no-deps", str(wheel)],
    ):
        subprocess.run([*uv, *command], check=True, timeout=INSTALL_SECONDS, cwd=place)
    return environment / "bin" / "assay"


def test_the_wheel_holds_what_is_not_python_too(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = ("aggregation", "foundation", "gold", "marketplace", "migrations", "service", "simulation")
    files = (path for package in packages for path in (ROOT / package).rglob("*") if path.is_file())
    here = [path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts]
    assert len(here) > 100
    assert [name for name in here if name not in names] == []
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_an_ordinary_user_starts_it_from_another_folder_calls_it_and_stops_it(assay, place):
    home = place / "home"
    home.mkdir()
    user = as_ordinary_user()
    if user:
        os.chown(home, user["user"], user["group"])
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    settled = {"cwd": home, "env": env, **user}

    with (place / "output").open("w+") as output:
        up = subprocess.Popen(
            [assay, "up", "--data", "data", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **settled,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            key = None
            while key is None:
                said = (place / "output").read_text()
                assert up.poll() is None, said
                assert time.monotonic() < deadline, said
                key = re.search(r"API key: (assay_\S+)", said)
                time.sleep(0.1)
            assert httpx.get(f"http://127.0.0.1:{port}/ready").json() == {"status": "ready", "missing": {}}

            called = subprocess.run(
                [assay, "key", "list", "--data", "data", "--json"],
                capture_output=True,
                text=True,
                check=False,
                **settled,
            )
            assert (called.returncode, called.stderr) == (0, "")
            assert "first start" in called.stdout
            jobs = httpx.get(f"http://127.0.0.1:{port}/v1/jobs", headers={"Authorization": f"Bearer {key[1]}"})
            assert jobs.status_code == 200

            up.send_signal(signal.SIGINT)
            assert up.wait(STOP_SECONDS) == 0
        finally:
            if up.poll() is None:
                up.kill()
                up.wait()
    assert "Traceback" not in (place / "output").read_text()
    assert not (home / "data" / "postgres" / "postmaster.pid").exists()
