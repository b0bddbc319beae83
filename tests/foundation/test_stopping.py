"""Stopping: everything is asked to end, what does not is ended, and a second signal is final."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap

import pytest

from foundation.serving.stopping import Stop, repeat, run_together

PROGRAM = """
import asyncio, signal, sys, time
from foundation.serving import stopping
from foundation.serving.stopping import Stop, run_together

async def polite(stop):
    await stop.event.wait()
    print("polite ended", flush=True)

async def deaf(stop):
    await asyncio.Event().wait()

async def stuck(stop):
    await asyncio.to_thread(time.sleep, 600)

async def main():
    with Stop(abandon=lambda: print("abandoned", flush=True)) as stop:
        print("running", flush=True)
        await run_together(stop, *[globals()[name](stop) for name in sys.argv[1:]])
    print("clean", flush=True)

stopping._PART_SECONDS = 0.2
asyncio.run(main())
"""


def start(*parts):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *parts], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "running\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_parts(number):
    process = start("polite", "polite")
    process.send_signal(number)
    assert process.communicate()[0] == "polite ended\npolite ended\nclean\n"
    assert process.returncode == 0


def test_a_part_that_does_not_hear_is_ended():
    process = start("polite", "deaf")
    process.send_signal(signal.SIGINT)
    assert process.communicate()[0] == "polite ended\nclean\n"
    assert process.returncode == 0


def test_a_second_signal_ends_it_at_once_whatever_is_stuck():
    process = start("polite", "stuck")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "polite ended\n"
    process.send_signal(signal.SIGINT)
    assert "abandoned" in process.communicate()[0]
    assert process.returncode == 130


async def test_where_one_part_fails_all_end_and_the_failure_is_told():
    stop = Stop()
    ended = []

    async def good():
        await stop.event.wait()
        ended.append("good")

    async def bad():
        raise LookupError("broken")

    with pytest.raises(LookupError, match="broken"):
        await run_together(stop, good(), bad())
    assert ended == ["good"]
    stop._watchdog.cancel()


async def test_a_duty_that_fails_is_done_again():
    stop = Stop()
    tries = []

    async def duty():
        tries.append(len(tries))
        if len(tries) == 1:
            raise LookupError
        stop.event.set()

    await asyncio.wait_for(repeat(stop, duty, every=0.001, name="test"), 10)
    assert tries == [0, 1]
