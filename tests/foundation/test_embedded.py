# ruff: noqa: ASYNC221, ASYNC240 - nothing else runs in these tests' event loop
"""The embedded Postgres: started once, shared, left alone by others, and found again after a kill."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import asyncpg
import pytest

from foundation.postgres.embedded import EmbeddedPostgres
from foundation.postgres.pool import DatabaseError, connect
from foundation.postgres.programs import wheel_binaries
from tests.conftest import system_binaries

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a server as another user")


@pytest.fixture(scope="session")
def made():
    """A data folder whose cluster is made, and nothing runs on: tests work on copies of it."""
    folder = Path(tempfile.mkdtemp(prefix="assay-", dir="/tmp")) / "data"
    folder.parent.chmod(0o711)
    with EmbeddedPostgres(folder, durable=False):
        pass
    yield folder
    shutil.rmtree(folder.parent)


@pytest.fixture
def data(made):
    folder = Path(tempfile.mkdtemp(prefix="assay-", dir="/tmp"))
    folder.chmod(0o711)
    subprocess.run(["cp", "-a", str(made), str(folder / "data")], check=True)
    yield folder / "data"
    shutil.rmtree(folder)


def server_pid(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split()[0])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def query(dsn: str, sql: str) -> object:
    connection = await connect(dsn, schema="public")
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def holder(data: Path) -> subprocess.Popen[str]:
    """Start another process that uses the server until it is killed or its input closes."""
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from foundation.postgres.embedded import EmbeddedPostgres
        with EmbeddedPostgres(Path(sys.argv[1])) as dsn:
            print(dsn, flush=True)
            sys.stdin.read()
    """)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


async def test_what_was_written_is_there_after_a_stop_and_a_start(data):
    for _ in range(2):
        with EmbeddedPostgres(data, durable=False) as dsn:
            await query(dsn, "CREATE TABLE IF NOT EXISTS kept (id int)")
            await query(dsn, "INSERT INTO kept VALUES (1)")
    with EmbeddedPostgres(data, durable=False) as dsn:
        assert await query(dsn, "SELECT count(*) FROM kept") == 2
    assert not (data / "postgres" / "postmaster.pid").exists()


async def test_a_server_listens_on_no_port_and_wants_its_password(data):
    with EmbeddedPostgres(data, durable=False) as dsn:
        assert await query(dsn, "SHOW listen_addresses") == ""
        password = (data / "postgres" / "assay.password").read_text()
        with pytest.raises(DatabaseError, match="password authentication failed") as caught:
            await connect(dsn.replace(password, "wrong"), schema="public")
        assert "wrong" not in str(caught.value)


def test_whoever_comes_second_attaches_and_the_last_one_out_stops_it(data):
    first, second = EmbeddedPostgres(data, durable=False), EmbeddedPostgres(data, durable=False)
    first_dsn = first.start()
    pid = server_pid(data)
    assert second.start() == first_dsn
    assert server_pid(data) == pid

    first.stop()
    assert alive(pid)
    second.stop()
    assert not alive(pid)
    second.stop()  # twice is as good as once


async def test_a_killed_process_leaves_a_server_that_the_next_one_takes_over_and_stops(data):
    process = holder(data)
    dsn = process.stdout.readline().strip()
    pid = server_pid(data)
    await query(dsn, "CREATE TABLE kept (id int)")
    process.kill()
    process.communicate()
    assert alive(pid)

    with EmbeddedPostgres(data, durable=False) as again:
        assert server_pid(data) == pid
        assert await query(again, "SELECT count(*) FROM kept") == 0
    assert not alive(pid)


async def test_after_a_kill_of_process_and_server_what_was_committed_is_there(data):
    process = holder(data)
    dsn = process.stdout.readline().strip()
    await query(dsn, "CREATE TABLE kept (id int)")
    pid = server_pid(data)
    process.kill()
    os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert (data / "postgres" / "postmaster.pid").exists()

    with EmbeddedPostgres(data, durable=False) as again:
        assert server_pid(data) != pid
        assert await query(again, "SELECT count(*) FROM kept") == 0


def test_a_stale_pid_that_now_belongs_to_another_process_of_the_same_user_is_not_mistaken(data):
    owner = (data / "postgres").stat().st_uid
    stranger = subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None, cwd="/")
    try:
        stale = data / "postgres" / "postmaster.pid"
        stale.write_text(f"{stranger.pid}\n{data / 'postgres'}\n1700000000\n5432\n{data / 'postgres'}\n\n0 0\nready\n")
        os.chown(stale, owner, -1)
        with EmbeddedPostgres(data, durable=False):
            assert server_pid(data) != stranger.pid
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_processes_that_start_together_share_one_server(data):
    processes = [holder(data) for _ in range(3)]
    dsns = {process.stdout.readline().strip() for process in processes}
    pid = server_pid(data)
    assert len(dsns) == 1
    assert "postgresql://" in dsns.pop()
    for process in processes:
        process.communicate()  # closes its input: each leaves in its own time, and the last one stops the server
        assert process.returncode == 0
    assert not alive(pid)


async def test_a_path_too_long_or_odd_for_a_socket_is_no_obstacle(made):
    folder = Path(tempfile.mkdtemp(prefix="assay-", dir="/tmp"))
    folder.chmod(0o711)
    data = folder / "an odd 'name'" / ("long" * 30) / "data"
    data.parent.mkdir(parents=True)
    try:
        subprocess.run(["cp", "-a", str(made), str(data)], check=True)
        with EmbeddedPostgres(data, durable=False) as dsn, EmbeddedPostgres(data, durable=False) as other:
            assert dsn == other
            assert await query(other, "SELECT 1") == 1
            socket = Path((data / "postgres" / "postmaster.pid").read_text().splitlines()[4])
            assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert not socket.exists()
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(system_binaries() is None, reason="no other Postgres in /usr/lib/postgresql")
def test_a_cluster_of_another_version_is_refused(data):
    with pytest.raises(DatabaseError, match=r"was made by Postgres 18 and this is Postgres 1\d: dump it"):
        EmbeddedPostgres(data, binaries=system_binaries(), durable=False).start()


def test_a_data_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "data").write_text("mine")
    with pytest.raises(DatabaseError, match="cannot be used: file exists; choose another with --data"):
        EmbeddedPostgres(tmp_path / "data").start()
    assert (tmp_path / "data").read_text() == "mine"


@as_root
def test_root_s_data_folder_belongs_to_an_unprivileged_user_and_parents_keep_their_modes(made):
    assert pwd.getpwuid((made / "postgres").stat().st_uid).pw_name == "nobody"
    assert stat.S_IMODE((made / "postgres").stat().st_mode) == 0o700
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o711


@as_root
def test_a_parent_closed_to_the_server_s_user_is_named_and_left_as_it_is(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    outermost = next(
        folder for folder in [*reversed(closed.parents), closed] if not folder.stat().st_mode & stat.S_IXOTH
    )
    with pytest.raises(DatabaseError) as caught:
        EmbeddedPostgres(closed / "data").start()
    assert str(caught.value) == (
        f"Postgres does not run as root but as 'nobody', who cannot enter {outermost}; choose a data folder that "
        "every user can reach, such as --data /var/lib/assay"
    )
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
async def test_programs_below_a_closed_folder_are_copied_where_the_server_s_user_can_run_them(
    data, tmp_path, monkeypatch
):
    package = wheel_binaries().parents[1]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        (closed / folder.name).symlink_to(folder)
    binaries = closed / package.name / "pginstall18" / "bin"
    monkeypatch.setattr("foundation.postgres.embedded.wheel_binaries", lambda: binaries)
    with EmbeddedPostgres(data, durable=False) as dsn:
        program = Path(f"/proc/{server_pid(data)}/exe").readlink()
        assert data in program.parents
        assert await query(dsn, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_other_programs_below_a_closed_folder_are_refused_by_name(data, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "bin").symlink_to(wheel_binaries())
    with pytest.raises(
        DatabaseError, match=r"'nobody', as whom Postgres runs, cannot run the programs in .*closed to it"
    ):
        EmbeddedPostgres(data, binaries=closed / "bin").start()


async def test_a_database_that_cannot_be_reached_is_named_without_its_password():
    with pytest.raises(DatabaseError) as caught:
        await connect("postgresql://ada:hush@127.0.0.1:1/labels", schema="assay")
    assert str(caught.value).startswith("cannot reach the database at 127.0.0.1:1/labels: ")
    assert "hush" not in str(caught.value)


async def test_many_connections_at_once_are_served(data):
    with EmbeddedPostgres(data, durable=False) as dsn:
        connections = await asyncio.gather(*(asyncpg.connect(dsn) for _ in range(60)))
        await asyncio.gather(*(connection.close() for connection in connections))


async def test_a_server_that_is_abandoned_ends_and_has_what_was_committed(data):
    server = EmbeddedPostgres(data)
    dsn = server.start()
    pid = server_pid(data)
    await query(dsn, "CREATE TABLE kept (id int)")
    other = EmbeddedPostgres(data)
    other.start()
    server.abandon()  # somebody else uses it
    assert await query(dsn, "SELECT count(*) FROM kept") == 0
    other.stop()
    server.abandon()
    deadline = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    server.stop()

    with EmbeddedPostgres(data) as dsn:
        assert await query(dsn, "SELECT count(*) FROM kept") == 0
