"""`assay aggregate`: labels from any file of answers, without database or service."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foundation.errors import PlainError
from service.cli.oddities import counted

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation import Result
    from service.cli.answer_files import Answers
    from service.cli.progress import Line

_FILE = click.Path(path_type=Path)
# Written out, for --help need not wait for numpy; a test compares.
_METHODS = "majority, wawa, dawid_skene, maximum_likelihood, hierarchical, bcc, ebcc, auto, one_coin, glad, mace"
_WIDEST = 20  # label values up to which a worker's confusion matrix is written whole, a column for each cell


@click.command()
@click.argument("labels", type=_FILE)
@click.option("--method", default="auto", show_default=True, help=f"{_METHODS}, or crowdkit:<Name>.")
@click.option("--gold", type=_FILE, help="Known labels (task, label); several rows for a task are all accepted.")
@click.option("--truth", type=_FILE, help="True labels (task, label), read only when the result is final.")
@click.option("--out", "-o", type=_FILE, help="Write labels, confidence and probabilities (CSV or Parquet).")
@click.option("--workers", type=_FILE, help="Write each worker's accuracy, with a 90% interval, and worth.")
@click.option("--columns", "names", help="What the columns are called instead: --columns item,annotator,answer.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def aggregate(
    labels: Path,
    method: str,
    gold: Path | None,
    truth: Path | None,
    out: Path | None,
    workers: Path | None,
    names: str | None,
    as_json: bool,
) -> None:
    """
    Infer labels from a CSV or Parquet file with the columns task, worker and label.

    Columns may be separated by commas, tabs, semicolons or bars, and have others beside them. Files may be packed
    (gzip, bzip2, zstd, lz4); LABELS may be - for standard input. The summary is printed; notes, and how far it is, go
    to standard error.
    """
    # --help need not wait for arrow
    from aggregation.watching import compiling_watched  # noqa: PLC0415
    from service.cli import answer_files, columns, oddities  # noqa: PLC0415
    from service.cli.chosen import chosen  # noqa: PLC0415
    from service.cli.progress import progress  # noqa: PLC0415

    called = _called(names)
    _check(out, workers, (labels, gold, truth))
    with progress() as line, compiling_watched(line.compiling):
        line.doing(f"reading {labels}")
        gold_rows = columns.read(gold, ("task", "label"), called) if gold else None
        answers = answer_files.read_answers(labels, gold_rows, called)
        known = answer_files.known_labels(gold, gold_rows, answers) if gold else None
        mask = None if known is None else known.mask
        line.doing(f"{method} on {answers.table.n_answers:,} answers")
        started = time.perf_counter()
        result = _infer(answers, method, mask, line)
        summary = _summary(answers, result, time.perf_counter() - started)
        line.doing("writing")
        if out is not None:
            columns.write(out, _label_columns(answers, result))
        if workers is not None:
            columns.write(workers, _worker_columns(answers, result))
    _note(*oddities.of_labels(answers.labels))
    if gold is not None and known is not None:
        _note(*oddities.of_known(gold, known))
    if truth is not None:
        right = answer_files.known_labels(truth, columns.read(truth, ("task", "label"), called), answers)
        _note(*oddities.of_known(truth, right))
        summary |= _scores(result, right.mask, mask)
    if as_json:
        click.echo(json.dumps(summary))
        return
    for name, value in summary.items():
        click.echo(f"{name:12} {_shown(value)}")
    for reason in chosen(result.params):
        click.echo(reason)
    if out is None:
        click.echo("Name a file with --out to keep the labels.", err=True)


def _check(out: Path | None, workers: Path | None, given: tuple[Path | None, ...]) -> None:
    """Raise PlainError where what is asked for cannot be, before any work is done for it."""
    from service.cli import columns  # noqa: PLC0415

    columns.check_places((out, workers), given)
    truth = given[-1]
    if truth is not None and ((str(truth) != "-" and not truth.exists()) or truth.is_dir()):
        raise PlainError(f"there is no file {truth}")  # what it says is not known before the work
    if [str(path) for path in given].count("-") > 1:
        raise PlainError("standard input can be one file alone: name the others")


def _called(names: str | None) -> dict[str, str]:
    """Read what the columns task, worker and label are called."""
    if names is None:
        return {}
    given = [name.strip() for name in names.split(",")]
    if len(given) != 3 or not all(given) or len({*given}) < 3:
        raise PlainError("--columns needs the names of three columns, of task, worker and label: item,annotator,answer")
    return dict(zip(("task", "worker", "label"), given, strict=True))


def _summary(answers: Answers, result: Result, seconds: float) -> dict[str, Any]:
    table = answers.table
    if table.n_dropped:
        _note(f"{counted(table.n_dropped, 'answer')} left out, as the worker answered the task again: the last counts")
    return {
        "method": result.method,
        "items": table.n_items,
        "workers": table.n_workers,
        "answers": table.n_answers,
        "labels": len(answers.labels),
        "iterations": result.n_iter,
        "converged": result.converged,
        "seconds": round(seconds, 3),
    }


def _infer(answers: Answers, method: str, mask: npt.NDArray[Any] | None, line: Line) -> Result:
    from aggregation import ConvergenceWarning, watching  # noqa: PLC0415
    from aggregation import aggregate as infer  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as said, watching.watched(line.step):
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            result = infer(answers.table, method, gold=mask)
        except (ValueError, ImportError) as error:
            raise PlainError(str(error)) from None
        except MemoryError:
            needs = f"{answers.table.n_workers:,} workers over {len(answers.labels):,} label values"
            raise PlainError(f"{needs} need more memory than is free for {method}: try wawa or majority") from None
    for warning in said:
        if issubclass(warning.category, ConvergenceWarning):
            _note(str(warning.message))
    return result


def _note(*texts: str) -> None:
    for text in texts:
        click.echo(f"assay: {text}", err=True)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _label_columns(answers: Answers, result: Result) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "task": answers.tasks,
        "label": answers.label_of(result.labels),
        "confidence": result.confidence,
        "answers": answers.table.answers_per_item,
    }
    return columns | {f"p_{label}": result.posterior[:, number] for number, label in enumerate(answers.labels)}


def _worker_columns(answers: Answers, result: Result) -> dict[str, Any]:
    """Describe workers, with a column for each cell of their confusion or, of many, the diagonal."""
    import numpy as np  # noqa: PLC0415

    from aggregation import quality  # noqa: PLC0415

    table = answers.table
    accuracy, low, high = quality.accuracy(table, result.calibrated)
    matrices = quality.confusions(table, result.posterior) if result.confusion is None else [result.confusion]
    wide = len(answers.labels) > _WIDEST
    worth, shown = [], []
    for some in matrices:
        cost, value = quality.expected_cost(some, result.prevalence), quality.quality(some, result.prevalence)
        worth.append((cost, value, quality.spammer_score(some)))
        shown.append(some.diagonal(axis1=1, axis2=2)[:, :, None] if wide else some)
    cost, value, spammer = (np.concatenate(column) for column in zip(*worth, strict=True))
    columns: dict[str, Any] = {
        "worker": answers.workers,
        "answers": np.bincount(table.worker, minlength=table.n_workers),
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "expected_cost": cost,
        "quality": value,
        "spammer_score": spammer,
    }
    confusion = np.concatenate(shown)
    if wide:
        _note(
            f"of workers' confusion only the diagonal is written: {len(answers.labels)} label values are over {_WIDEST}"
        )
    for true, name in enumerate(answers.labels):
        for answered, other in enumerate([name] if wide else answers.labels):
            columns[f"{name} answered {other}"] = confusion[:, true, answered]
    return columns


def _scores(result: Result, truth: npt.NDArray[Any], gold: npt.NDArray[Any] | None) -> dict[str, Any]:
    """Compare with the truth, gold left out; of a task with several true labels each is right.

    A label value that nobody gave, in answers or gold, has no probability: whoever's label it is was missed.
    """
    import numpy as np  # noqa: PLC0415

    from aggregation import metrics  # noqa: PLC0415

    unseen = ((0, 0), (0, truth.shape[1] - result.posterior.shape[1]))
    posterior, calibrated = np.pad(result.posterior, unseen), np.pad(result.calibrated, unseen)
    scored = truth.any(axis=1) if gold is None else truth.any(axis=1) & ~gold.any(axis=1)
    if not scored.any():
        raise PlainError("every task with a true label is gold: there is nothing left to score")
    true = truth[scored]
    right = metrics.hits(posterior[scored], true)
    left = int(truth.any(axis=1).sum() - scored.sum())
    _note(f"scored on {counted(int(scored.sum()), 'task')}" + (f"; {left:,} more are gold" if left else ""))
    return {
        "accuracy": round(float(right.mean()), 6),
        "ece": round(metrics.expected_calibration_error(result.confidence[scored], right), 6),
        "nll": round(metrics.log_loss(calibrated[scored], true), 6),
    }
