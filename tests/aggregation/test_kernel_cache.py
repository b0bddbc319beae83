"""Compiled kernels are kept, and processes that compile at once do not get in each other's way."""

import os
import subprocess
import sys


def test_two_processes_compile_at_once_and_a_third_finds_what_they_kept(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    code = (
        "from aggregation import LabelTable, aggregate;"
        "aggregate(LabelTable.from_arrays([0, 1], [0, 1], [0, 1], n_labels=2))"
    )
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in both] == [("", 0), ("", 0)]
    kept = {path.name for path in tmp_path.rglob("*.nbc")}
    assert kept

    loud = {**environment, "NUMBA_DEBUG_CACHE": "1"}
    shown = subprocess.run(command, env=loud, capture_output=True, text=True, check=True).stdout
    assert "data loaded from" in shown
    assert "data saved to" not in shown
    assert {path.name for path in tmp_path.rglob("*.nbc")} == kept
