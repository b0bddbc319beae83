"""What `auto` chose among models, and why, in lines for a person."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def chosen(params: Mapping[str, Any]) -> Iterator[str]:
    """Say what was chosen from the parameters of a result; nothing of methods that do not choose."""
    if "labels_of" in params:
        yield f"{'chosen':12} the labels of {params['labels_of']}: {params['because']}"
        return
    for model in params.get("pool", ()):
        subtypes = "no subtypes" if model["subtypes"] == 1 else f"{model['subtypes']} subtypes of each label"
        begun = ", begun from maximum likelihood" if "from" in model else ""
        foresees = f"foresees an answer with a chance of {math.exp(model['foresees']):.4f}"
        yield f"{'chosen':12} {model['weight']:.0%} the model with {subtypes}{begun}: it {foresees}"
    if "overruled" in params:
        tasks = "1 task" if params["overruled"] == 1 else f"{params['overruled']:,} tasks"
        yield f"{'majority':12} overruled on {tasks}, where the odds against it are above {params['majority_odds']:.3g}"
