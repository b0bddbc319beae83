"""Kernels are kept as machine code that runs without numba, and nothing that stands in its place does harm."""

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from aggregation import code_cache, compiler, object_file
from aggregation.compiler import compiled
from aggregation.machine_code import MachineCode
from aggregation.watching import compiling_watched
from service.cli.progress import Line

INFER = """
import json, sys
from aggregation import LabelTable, aggregate
result = aggregate(LabelTable.from_arrays([0, 1], [0, 1], [0, 1], n_labels=2))
print(json.dumps(["numba" in sys.modules, result.posterior.tolist()]))
"""


def infer(folder):
    """Infer in a process of its own; say whether it imported numba, and what it found."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    run = subprocess.run([sys.executable, "-c", INFER], env=environment, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return json.loads(run.stdout)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path / "assay"


@compiled
def scaled(first: int, last: int, values, factor: float, doubled: bool):
    total = 0.0
    for i in range(first, last):
        values[i] = values[i] * factor
        total += values[i] * (2.0 if doubled else 1.0)
    return total, last - first


@compiled
def ratio(values):
    return scaled(0, values.size, values, 0.5, True)[0] / np.exp(values[0])


def call(kernel=scaled, dtype=np.float64):
    values = np.arange(4, dtype=dtype)
    return kernel(1, 4, values, 2.0, True), values.tolist()


EXPECTED = (24.0, 3), [0.0, 2.0, 4.0, 6.0]


def again(kernel=scaled):
    """Take the kernel as another process would find it."""
    return compiled(kernel.__wrapped__)


@pytest.fixture
def no_numba(monkeypatch):
    def refuse():
        raise AssertionError("numba was asked for")

    return lambda: monkeypatch.setattr(compiler, "_numba", refuse)


def test_two_processes_compile_at_once_and_a_third_needs_no_compiler(tmp_path):
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(infer, [tmp_path, tmp_path])
    assert first == second
    assert first[0]
    kept = {path.name: path.read_bytes() for path in (tmp_path / "assay").iterdir()}
    assert kept
    assert all(name.endswith(".kernel") for name in kept)
    assert list(tmp_path.rglob("*.nbc")) == []  # numba was left nothing to run by itself
    assert infer(tmp_path) == [False, first[1]]
    assert {path.name: path.read_bytes() for path in (tmp_path / "assay").iterdir()} == kept


def test_every_kernel_that_warming_compiles_is_linked(tmp_path):
    """Of another numba this may be the only test that fails: then see `aggregation.linking`."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    program = """
import aggregation.compiler as compiler, aggregation.linking as linking
left, link = [], linking.link
def tell(bare, types):
    try:
        return link(bare, types)
    except Exception as error:
        left.append((bare.__qualname__, repr(error)))
        raise
linking.link = tell
from aggregation.lanes import MOST_LANES
from aggregation.warm import warm
warm([MOST_LANES + 1])
assert left == [], left
"""
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert list(tmp_path.rglob("*.nbc")) == []


@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "folder", "another's"])
def test_what_is_not_a_kernel_is_compiled_anew(cache, harm):
    assert call(again()) == EXPECTED
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.unlink()
    match harm:
        case "cut":
            path.write_bytes(whole[:-9])
        case "changed":
            path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "another's":
            path.write_bytes(b"not machine code\n" * 30)
    assert call(again()) == EXPECTED
    if harm != "folder":
        assert path.read_bytes() == whole


def test_what_is_kept_is_found_and_numba_not_asked_for(cache, no_numba):
    call(again())
    no_numba()
    assert call(again()) == EXPECTED


@pytest.mark.parametrize("change", ["constant", "callee", "kinds", "setting"])
def test_another_kernel_is_never_taken_for_this_one(monkeypatch, change):
    def made(factor, callee=scaled):
        def kernel(values):
            return callee(0, 1, values, factor, False)

        return kernel

    kinds = (float,)
    was = code_cache.key(made(2.0), kinds)
    match change:
        case "constant":
            now = code_cache.key(made(3.0), kinds)
        case "callee":
            now = code_cache.key(made(2.0, ratio), kinds)
        case "kinds":
            now = code_cache.key(made(2.0), (int,))
        case "setting":
            monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
            code_cache._surroundings.cache_clear()
            now = code_cache.key(made(2.0), kinds)
            code_cache._surroundings.cache_clear()
    assert now != was
    if change != "setting":
        assert code_cache.key(made(2.0), kinds) == was


def test_a_place_that_cannot_be_written_to_is_done_without(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert call(again()) == EXPECTED


def test_a_kernel_calls_another_and_the_c_library(cache):
    values = np.array([2.0, 4.0])
    assert ratio(values) == 6.0 / np.exp(1.0)
    assert values.tolist() == [1.0, 2.0]


def test_other_types_and_layouts_are_other_code_or_run_by_numba(cache):
    assert call(dtype=np.float32) == EXPECTED
    wide = np.arange(8.0)
    assert scaled(0, 4, wide[::2], 2.0, False) == (24.0, 4)
    assert wide.tolist() == [0.0, 1.0, 4.0, 3.0, 8.0, 5.0, 12.0, 7.0]
    assert scaled(np.int64(0), np.int32(1), np.ones(1), np.float32(3.0), np.True_) == (6.0, 1)


def test_a_wrong_call_says_so(cache):
    with pytest.raises(TypeError, match="scaled takes 5 arguments, not 2"):
        scaled(1, 2)
    with pytest.raises(TypeError, match="arrays and numbers, not list"):
        scaled(0, 1, [1.0], 2.0, True)
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    with pytest.raises(Exception, match="readonly"):
        scaled(0, 1, frozen, 2.0, True)


@pytest.mark.parametrize("here", [True, False])
def test_what_cannot_be_linked_is_run_by_numba_and_compiled_once(cache, monkeypatch, here):
    """As with another numba, or on another system."""
    compilations = []
    monkeypatch.setattr(compiler, "tell_compiling", compilations.append)
    if here:
        monkeypatch.setattr(object_file, "NEEDED", frozenset())
    else:
        monkeypatch.setattr(compiler, "runs_here", lambda: False)
    values = np.array([2.0, 4.0])
    for _ in range(2):
        assert again(ratio)(values.copy()) == 6.0 / np.exp(1.0)
    assert compilations == ["ratio"] * here


def test_threads_that_call_first_at_once_compile_once(cache, monkeypatch):
    kernel = again()
    compilations = []
    monkeypatch.setattr(compiler, "tell_compiling", compilations.append)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: call(kernel), range(32))) == [EXPECTED] * 32
    assert compilations == ["scaled"]


def test_a_command_says_once_that_it_compiles_and_never_that_it_loads(cache):
    said = []
    for _ in range(2):
        kernel, out = again(), io.StringIO()
        with compiling_watched(Line(out).compiling):
            call(kernel)
            call(kernel, dtype=np.float32)
        said.append(out.getvalue())
    assert said == ["assay: compiling for this machine, which takes some seconds the first time\n", ""]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_was_forked_goes_on_calling(cache):
    kernel = again()
    call(kernel)
    child = os.fork()
    if child == 0:
        os._exit(0 if call(kernel) == EXPECTED else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_python_runs_kernels_where_numba_is_switched_off(monkeypatch, cache):
    numba = compiler._numba()
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert call(again()) == EXPECTED
    assert not cache.exists()


def test_code_that_wants_what_is_not_for_kernels_is_not_loaded():
    code = MachineCode(image=bytes(16), entry=0, needs={"system": 8}, result="")
    with pytest.raises(OSError, match="no function system for kernels"):
        MachineCode.from_bytes(code.to_bytes()).load()


def test_kept_kernels_can_be_read_by_others(cache):
    before = os.umask(0o022)
    try:
        call(again())
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in Path(cache).iterdir()] == [0o644]
