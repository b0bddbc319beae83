"""Infer labels from a folder of recorded answers, in a process that knows nothing of any service.

`python -m service.cli.trial.recount DIR [LIMIT]` prints a JSON line for each task.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from aggregation import LabelTable, aggregate
from service.cli.trial.recorded import read_recorded


def main() -> None:
    """Read, infer, print."""
    recorded = read_recorded(Path(sys.argv[1]), limit=int(sys.argv[2]) if len(sys.argv) > 2 else None)
    tasks = {task: number for number, task in enumerate(recorded.payloads)}
    workers = {worker: number for number, worker in enumerate(dict.fromkeys(worker for _, worker in recorded.answers))}
    labels = {label: number for number, label in enumerate(recorded.labels)}
    item, worker, label = np.array(
        [(tasks[task], workers[worker], labels[label]) for (task, worker), label in recorded.answers.items()]
    ).T
    result = aggregate(LabelTable.from_arrays(item, worker, label, len(labels), n_items=len(tasks)), method="auto")
    for task, number in tasks.items():
        value = recorded.labels[result.labels[number]]
        sys.stdout.write(
            json.dumps({"task": task, "label": value, "probabilities": result.posterior[number].tolist()}) + "\n"
        )


if __name__ == "__main__":
    main()
