"""`assay aggregate`: labels from any file of answers, without database or service."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foundation.errors import PlainError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from aggregation import Result
    from service.cli.answer_files import Answers

_FILE = click.Path(dir_okay=False, path_type=Path)
# Written out, for --help need not wait for numpy; a test compares.
_METHODS = "majority, wawa, dawid_skene, maximum_likelihood, hierarchical, bcc, ebcc, auto, one_coin, glad, mace"
_WIDEST = 20  # label values up to which a worker's confusion matrix is written, a column for each cell


@click.command()
@click.argument("labels", type=_FILE)
@click.option("--method", default="auto", show_default=True, help=f"{_METHODS}, or crowdkit:<Name>.")
@click.option("--gold", type=_FILE, help="Known labels (task, label); several rows for a task are all accepted.")
@click.option("--truth", type=_FILE, help="True labels (task, label), read only when the result is final.")
@click.option("--out", "-o", type=_FILE, help="Write labels, confidence and probabilities (CSV or Parquet).")
@click.option("--workers", type=_FILE, help="Write what each worker's answers are worth (CSV or Parquet).")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def aggregate(
    labels: Path,
    method: str,
    gold: Path | None,
    truth: Path | None,
    out: Path | None,
    workers: Path | None,
    as_json: bool,
) -> None:
    """Infer labels from a CSV or Parquet file with the columns task, worker and label."""
    from service.cli import answer_files  # noqa: PLC0415 - --help need not wait for arrow

    gold_rows = answer_files.read(gold, ("task", "label")) if gold else None
    if truth is not None and not truth.is_file():
        raise PlainError(f"there is no file {truth}")  # known before the work; what it says is not
    answers = answer_files.read_answers(labels, gold_rows)
    mask = answer_files.label_mask(gold, gold_rows, answers) if gold else None
    started = time.perf_counter()
    with _progress(f"{method} on {answers.table.n_answers:,} answers"):
        result = _infer(answers, method, mask)
    summary: dict[str, Any] = {
        "method": result.method,
        "items": answers.table.n_items,
        "workers": answers.table.n_workers,
        "answers": answers.table.n_answers,
        "repeats_dropped": answers.table.n_dropped,
        "labels": len(answers.labels),
        "iterations": result.n_iter,
        "converged": result.converged,
        "seconds": round(time.perf_counter() - started, 3),
    }
    if out is not None:
        answer_files.write(out, _label_columns(answers, result))
    if workers is not None:
        answer_files.write(workers, _worker_columns(answers, result))
    if truth is not None:
        rows = answer_files.read(truth, ("task", "label"))
        summary |= _scores(result, answer_files.label_mask(truth, rows, answers), mask)
    if as_json:
        click.echo(json.dumps(summary))
        return
    for name, value in summary.items():
        click.echo(f"{name:16} {value:,}" if isinstance(value, int) and value is not True else f"{name:16} {value}")
    if out is None:
        click.echo("Name a file with --out to keep the labels.", err=True)


def _infer(answers: Answers, method: str, mask: npt.NDArray[Any] | None) -> Result:
    from aggregation import ConvergenceWarning  # noqa: PLC0415
    from aggregation import aggregate as infer  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            result = infer(answers.table, method, gold=mask)
        except ValueError as error:
            raise PlainError(str(error)) from None
    for warning in said:
        if issubclass(warning.category, ConvergenceWarning):
            click.echo(f"assay: {warning.message}", err=True)
    return result


def _label_columns(answers: Answers, result: Result) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "task": answers.tasks,
        "label": [answers.labels[number] for number in result.labels.tolist()],
        "confidence": result.confidence,
        "answers": answers.table.answers_per_item,
    }
    return columns | {f"p_{label}": result.posterior[:, number] for number, label in enumerate(answers.labels)}


def _worker_columns(answers: Answers, result: Result) -> dict[str, Any]:
    """Describe workers: accuracy is the share of answers that calibrated labels agree with, as a Beta posterior."""
    import numpy as np  # noqa: PLC0415

    from aggregation import quality  # noqa: PLC0415
    from gold import believe  # noqa: PLC0415

    table = answers.table
    given = np.bincount(table.worker, minlength=table.n_workers)
    right = np.bincount(table.worker, result.calibrated[table.item, table.label], minlength=table.n_workers)
    trust = believe(np.minimum(right, given), given)
    low, high = trust.interval()
    confusion = quality.confusion_of(table, result.posterior) if result.confusion is None else result.confusion
    columns: dict[str, Any] = {
        "worker": answers.workers,
        "answers": given,
        "accuracy": trust.mean,
        "accuracy_low": low,
        "accuracy_high": high,
        "expected_cost": quality.expected_cost(confusion, result.prevalence),
        "quality": quality.quality(confusion, result.prevalence),
        "spammer_score": quality.spammer_score(confusion),
    }
    if len(answers.labels) <= _WIDEST:
        for true, name in enumerate(answers.labels):
            for answered, other in enumerate(answers.labels):
                columns[f"{name} answered {other}"] = confusion[:, true, answered]
    return columns


def _scores(result: Result, truth: npt.NDArray[Any], gold: npt.NDArray[Any] | None) -> dict[str, Any]:
    """Compare with the truth, gold left out; of a task with several true labels the first is taken.

    A label value that nobody gave, in answers or gold, has no probability: whoever's label it is was missed.
    """
    import numpy as np  # noqa: PLC0415

    from aggregation import metrics  # noqa: PLC0415

    unseen = ((0, 0), (0, truth.shape[1] - result.posterior.shape[1]))
    posterior, calibrated = np.pad(result.posterior, unseen), np.pad(result.calibrated, unseen)
    scored = truth.any(axis=1) if gold is None else truth.any(axis=1) & ~gold.any(axis=1)
    if not scored.any():
        raise PlainError("every task with a true label is gold: there is nothing left to score")
    true = truth[scored].argmax(axis=1)
    right = metrics.hits(posterior[scored], true)
    return {
        "scored": int(scored.sum()),
        "accuracy": round(float(right.mean()), 6),
        "ece": round(metrics.expected_calibration_error(result.confidence[scored], right), 6),
        "nll": round(metrics.log_loss(calibrated[scored], true), 6),
    }


@contextlib.contextmanager
def _progress(what: str) -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415

    with Console(stderr=True).status(what):
        yield
