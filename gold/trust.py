"""What gold says of a worker: a distribution of their accuracy, never a bare number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

if TYPE_CHECKING:
    import numpy.typing as npt

    from aggregation.arrays import Floats


@dataclass(frozen=True, eq=False)
class Trust:
    """
    Beta distributions of the accuracy of workers.

    With ``right`` of ``total`` gold answers right and a Beta(a, b) prior, the posterior of the chance to be
    right is Beta(a + right, b + total - right) (A. Gelman et al., Bayesian Data Analysis, section 2.4).

    Attributes
    ----------
    alpha, beta : (n_workers,) float64

    """

    alpha: Floats
    beta: Floats

    @property
    def mean(self) -> Floats:
        """Expect this accuracy, (n_workers,)."""
        return self.alpha / (self.alpha + self.beta)

    def interval(self, mass: float = 0.9) -> tuple[Floats, Floats]:
        """Give the ends of the central interval that holds ``mass`` of each distribution, (n_workers,) each."""
        return self.quantile((1 - mass) / 2), self.quantile((1 + mass) / 2)

    def lower(self, certainty: float = 0.95) -> Floats:
        """Give the accuracy that each worker exceeds with this certainty, (n_workers,)."""
        return self.quantile(1 - certainty)

    def quantile(self, share: float) -> Floats:
        """Give the accuracy below which ``share`` of each distribution lies, (n_workers,)."""
        if not 0 <= share <= 1:
            raise ValueError(f"a share of a distribution lies between 0 and 1, not at {share}")
        values: Floats = betaincinv(self.alpha, self.beta, share)
        return values


def believe(right: npt.ArrayLike, total: npt.ArrayLike, *, prior: tuple[float, float] = (1.0, 1.0)) -> Trust:
    """
    Learn from gold answers.

    Parameters
    ----------
    right, total : (n_workers,) numbers
        Gold answers that were right, and all.
    prior : (float, float)
        Beta parameters before any gold; by default every accuracy is as likely.

    Raises
    ------
    ValueError
        ``right`` is negative or above ``total``, or a prior parameter is not positive.

    """
    good, every = np.asarray(right, dtype=np.float64), np.asarray(total, dtype=np.float64)
    if not ((good >= 0) & (good <= every)).all():
        raise ValueError("right gold answers must lie between 0 and all gold answers")
    if min(prior) <= 0:
        raise ValueError(f"the prior's parameters must be positive, not {prior}")
    return Trust(prior[0] + good, prior[1] + every - good)
