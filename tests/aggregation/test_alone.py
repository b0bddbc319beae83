"""The engine as a library of its own."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from aggregation import LabelTable, aggregate, crowdkit_adapter
from foundation.errors import PlainError
from service.cli.aggregate import aggregate as command

ROOT = Path(__file__).parents[2]
OURS = {"foundation", "gold", "marketplace", "service", "simulation"}


def test_the_example_of_its_readme_runs_as_it_stands_and_loads_nothing_but_what_it_declares():
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "aggregation/README.md").read_text(), re.DOTALL)
    tell = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    shown = subprocess.run([sys.executable, "-c", example + tell], capture_output=True, text=True, check=True, cwd=ROOT)
    first, *_, loaded = shown.stdout.splitlines()
    assert first == "[1 0 1]"
    others = {"asyncpg", "boto3", "click", "crowdkit", "litestar", "pandas", "pyarrow", "structlog"}
    assert not (OURS | others) & set(loaded.split())


def test_it_needs_the_versions_that_the_whole_does():
    alone, whole = (
        tomllib.loads((ROOT / path).read_text())["project"] for path in ("aggregation/pyproject.toml", "pyproject.toml")
    )
    assert set(alone["dependencies"]) < set(whole["dependencies"])
    assert alone["version"] == whole["version"]
    assert alone["requires-python"] == whole["requires-python"]


def test_without_crowd_kit_its_models_say_so(monkeypatch, tmp_path):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(crowdkit_adapter, "import_module", missing)
    table = LabelTable.from_arrays([0, 0], [0, 1], [0, 1], n_labels=2)
    with pytest.raises(ImportError, match="need crowd-kit, and pandas is missing: pip install crowd-kit"):
        aggregate(table, "crowdkit:Wawa")
    (tmp_path / "labels.csv").write_text("task,worker,label\na,v,0\na,w,1\n")
    with pytest.raises(PlainError, match="need crowd-kit, and pandas is missing"):
        CliRunner().invoke(command, [str(tmp_path / "labels.csv"), "--method", "crowdkit:Wawa"], catch_exceptions=False)
