"""Bounds and posteriors against the models' definitions, written out answer by answer, with gold and without."""

import itertools

import numpy as np
import pytest
from crowds import simulate
from scipy.special import digamma, gammaln, logsumexp

from aggregation import LabelTable, Prior, aggregate
from aggregation.bayes import SUBTYPE, Bcc, Pooled
from aggregation.blocks import Blocks
from aggregation.climbing import fit_from_votes
from aggregation.glad import ABILITY, Glad
from aggregation.gold import Clamp
from aggregation.kernels import FLOOR
from aggregation.majority import shares

pytestmark = pytest.mark.filterwarnings("ignore::aggregation.ConvergenceWarning")


def small(n_items=12, n_labels=3):
    """Return a table whose last item has no answers, and gold: one label, either of two, and of the bare item."""
    table, truth = simulate(n_items=n_items - 1, n_workers=5, n_labels=n_labels, per_item=3, accuracy=(0.5, 0.9))
    table = LabelTable.from_arrays(table.item, table.worker, table.label, n_labels=n_labels, n_items=n_items)
    gold = np.zeros((n_items, n_labels), dtype=bool)
    gold[0, truth[0]] = gold[1, truth[1]] = gold[1, (truth[1] + 1) % n_labels] = True
    return table, gold


def log_start(gold, log_prevalence):
    """Log probability of each item's labels before any answer: accepted labels of gold share one evenly."""
    with np.errstate(divide="ignore"):
        even = np.log(gold / np.maximum(gold.sum(axis=1, keepdims=True), 1))
    return np.where(gold.any(axis=1)[:, None], even, log_prevalence)


def explained(table, start, log_answer):
    """Add up each item and label by the definition; give the posterior, and the log likelihood of what was answered."""
    logs = start.copy()
    for item, worker, label in zip(table.item, table.worker, table.label, strict=True):
        logs[item] += log_answer(worker, label, item)
    total = logsumexp(logs, axis=1)
    return np.exp(logs - total[:, None]), total[table.answers_per_item > 0].sum()


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("faster", [False, True])
@pytest.mark.parametrize("method", ["dawid_skene", "maximum_likelihood", "one_coin", "mace"])
def test_posterior_and_bound_are_those_of_the_parameters(method, faster, told):
    """Where a climb is cut off too, and where it was extrapolated."""
    table, gold = small(n_items=40)
    gold &= told
    options = {"accelerate": faster} if method in {"dawid_skene", "maximum_likelihood"} else {}
    result = aggregate(table, method, max_iter=9 if faster else 6, gold=gold, **options)
    start = log_start(gold, np.log(result.prevalence))
    posterior, likelihood = explained(table, start, lambda worker, label, _: np.log(result.confusion[worker, :, label]))
    np.testing.assert_allclose(result.posterior, posterior, atol=1e-10)
    if method == "mace":  # its bound has the habits' prior; see test_models
        return
    prior = Prior.none(3) if method == "maximum_likelihood" else Prior.default(3)
    density = ((prior.confusion + FLOOR) * np.log(result.confusion)).sum()
    if method == "one_coin":
        prior, right = Prior.of_accuracy(3), result.confusion[:, 0, 0]
        density = (3 * np.log(right) + np.log(1 - right)).sum()
    density += (prior.prevalence + FLOOR) @ np.log(result.prevalence)
    assert result.objective[-1] == pytest.approx(likelihood + density, abs=1e-6)


@pytest.mark.parametrize("told", [False, True])
def test_glads_posterior_and_bound_are_those_of_abilities_and_eases(told):
    table, gold = small()
    clamp = Clamp.from_gold(gold & told, table.n_items, 3)
    with Blocks(table, table.n_workers) as blocks:
        fit = Glad(table, clamp, shares(table, clamp)[0], Prior.diagonal(3, right=2.0, wrong=1.0), blocks)
        for _ in range(4):
            fit.maximise()
            bound, _ = fit.expect()

    def log_answer(worker, label, item):
        right = 1 / (1 + np.exp(-fit.ability[worker] * np.exp(fit.log_ease[item])))
        return np.where(np.arange(3) == label, np.log(right), np.log((1 - right) / 2))

    posterior, likelihood = explained(table, log_start(gold & told, np.full(3, -np.log(3))), log_answer)
    np.testing.assert_allclose(fit.posterior, posterior, atol=1e-12)
    seen = 1 / (1 + np.exp(-fit.ability))
    density = (2 * np.log(seen) + np.log(1 - seen)).sum()
    density -= ((fit.ability - ABILITY) ** 2).sum() / 2 + (fit.log_ease**2).sum() / 2
    assert bound == pytest.approx(likelihood + density, abs=1e-9)


# A model, its prior, and into how many subtypes each label is split.
VARIATIONAL = {
    "bcc": (Bcc, Prior.default, 1),
    "hierarchical": (Pooled, Prior.of_accuracy, 1),
    "ebcc": (Pooled, Prior.of_accuracy, 2),
}


def fitted(blocks, table, clamp, name):
    model, prior, subtypes = VARIATIONAL[name]
    return model(table, clamp, blocks, prior(table.n_labels), subtypes=subtypes)


def log_density(fit):
    """Log density of pooled parameters, up to a constant."""
    if not isinstance(fit, Pooled):
        return 0.0
    accuracies = (3 * np.log(fit.accuracy) + np.log(1 - fit.accuracy)).sum()
    return accuracies + np.log(fit.strength) - 0.2 * fit.strength


def rows_before(fit, table):
    """Dirichlet parameters of each worker's rows, (n_workers, n_labels, n_states), from the pooled parameters."""
    n_labels = table.n_labels
    if not isinstance(fit, Pooled):
        rows = np.broadcast_to(fit.prior.confusion, (table.n_workers, n_labels, n_labels)).transpose(0, 2, 1)
    else:
        right, wrong = fit.strength * fit.accuracy, fit.strength * (1 - fit.accuracy) / (n_labels - 1)
        own = np.eye(n_labels, dtype=bool)
        rows = np.where(own, right[:, None, None], wrong[:, None, None]) + fit.spread
    return np.repeat(rows, fit.subtypes, axis=2)


def divergence(after, before, axis):
    """Sum of Kullback and Leibler's divergences of Dirichlet distributions."""
    total = after.sum(axis=axis, keepdims=True)
    logs = digamma(after) - digamma(total)
    return (
        ((after - before) * logs).sum()
        - gammaln(after).sum()
        + gammaln(before).sum()
        + gammaln(total).sum()
        - gammaln(before.sum(axis=axis)).sum()
    )


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("name", VARIATIONAL)
def test_a_variational_step_is_that_of_its_definition(name, told):
    table, gold = small()
    gold &= told
    clamp = Clamp.from_gold(gold, table.n_items, 3)
    rng = np.random.default_rng(0)
    with Blocks(table, 100, threads=1) as blocks:
        fit = fitted(blocks, table, clamp, name)
        votes = np.repeat(shares(table, clamp)[0], fit.subtypes, axis=1) * rng.uniform(size=(12, 3 * fit.subtypes))
        before = votes / votes.sum(axis=1, keepdims=True)
        fit.begin(before.copy())
        bound, _ = fit.expect()
    counts = np.zeros((table.n_workers, 3, 3 * fit.subtypes))
    for item, worker, label in zip(table.item, table.worker, table.label, strict=True):
        counts[worker, label] += before[item]
    free = (table.answers_per_item > 0) & ~clamp.known
    labels = before[free].sum(axis=0).reshape(3, fit.subtypes)
    rows = rows_before(fit, table)
    cells, split, prevalence = rows + counts, labels + SUBTYPE, labels.sum(axis=1) + fit.prior.prevalence
    logs = digamma(cells) - digamma(cells.sum(axis=1, keepdims=True))
    log_split = digamma(split) - digamma(split.sum(axis=1, keepdims=True))
    log_prevalence = digamma(prevalence) - digamma(prevalence.sum())
    even = np.full_like(log_split, -np.log(fit.subtypes))  # of gold, as accepted labels have
    start = log_start(gold, log_prevalence)[:, :, None] + np.where(gold.any(axis=1)[:, None, None], even, log_split)
    posterior, likelihood = explained(table, start.reshape(12, -1), lambda worker, label, _: logs[worker, label])
    np.testing.assert_allclose(fit.posterior, posterior, atol=1e-9)
    apart = divergence(cells, rows, 1) + divergence(split, np.full_like(split, SUBTYPE), 1)
    apart += divergence(prevalence, fit.prior.prevalence, 0)
    assert bound == pytest.approx(likelihood - apart + log_density(fit), abs=1e-7)


def polya(counts, before, axis):
    """Log chance of counts, in one order, where probabilities are Dirichlet."""
    after = counts + before
    ratio = gammaln(before.sum(axis)).sum() - gammaln(after.sum(axis)).sum()
    return ratio + gammaln(after).sum() - gammaln(before).sum()


@pytest.mark.parametrize("name", VARIATIONAL)
def test_the_variational_bound_lies_below_the_evidence_and_not_far(name):
    """The evidence is the sum over every state that the items could be in, with all probabilities integrated out."""
    table, _ = simulate(n_items=5, n_workers=4, n_labels=2, per_item=3, accuracy=(0.8, 0.95), seed=2)
    clamp = Clamp.from_gold(None, 5, 2)
    with Blocks(table, 100, threads=1) as blocks:
        fit = fitted(blocks, table, clamp, name)
        if fit.subtypes == 1:
            bound = fit_from_votes(fit, 500, 1e-9).objective[-1]
        else:
            fit.begin(np.random.default_rng(1).dirichlet(np.ones(4), size=5))
            bound = fit.climb(500, 1e-9).objective[-1]
    terms, rows = [], rows_before(fit, table)
    for states in itertools.product(range(2 * fit.subtypes), repeat=5):
        state = np.array(states)
        counts = np.zeros(rows.shape)
        np.add.at(counts, (table.worker, table.label, state[table.item]), 1)
        split = np.bincount(state, minlength=2 * fit.subtypes).reshape(2, fit.subtypes)
        labels = polya(split.sum(axis=1), fit.prior.prevalence, 0)
        terms.append(polya(counts, rows, 1) + labels + polya(split, np.full(split.shape, SUBTYPE), 1))
    evidence = logsumexp(terms) + log_density(fit)
    assert evidence - (1.0 if fit.subtypes == 1 else 5 * np.log(2) + 1.0) < bound <= evidence
