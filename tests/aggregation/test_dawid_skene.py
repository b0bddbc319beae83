import itertools
import json

import numpy as np
import pytest
from crowds import answers, simulate, table_of, uneven
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation import LabelTable, Prior, aggregate, dawid_skene, maximisation
from aggregation.kernels import FLOOR

pytestmark = pytest.mark.filterwarnings("ignore::aggregation.ConvergenceWarning")


def log_joint(table, result):
    """Log of P(true label, answers) of every item and label, by the model's definition, answer by answer."""
    log = np.tile(np.log(result.prevalence), (table.n_items, 1))
    for item, worker, label in zip(table.item, table.worker, table.label, strict=True):
        log[item] += np.log(result.confusion[worker, :, label])
    return log


def log_prior(result, prior):
    confusion = np.broadcast_to(prior.confusion, result.confusion.shape) + FLOOR
    return (confusion * np.log(result.confusion)).sum() + (prior.prevalence + FLOOR) @ np.log(result.prevalence)


# Of rows in one register, and of rows in several; some full, some not.
@pytest.mark.parametrize("n_labels", [2, 3, 5, 8, 9, 16, 21])
def test_posterior_and_bound_are_those_of_the_parameters(n_labels):
    """Whatever the number of an item's answers, and where gold leaves it several labels."""
    table, gold = uneven(n_labels)
    result = aggregate(table, method="dawid_skene", gold=gold, max_iter=7)
    known = gold.any(axis=1)
    joint = log_joint(table, result)
    joint[known] -= np.log(result.prevalence)
    joint[known] += np.where(gold, -np.log(np.maximum(gold.sum(axis=1, keepdims=True), 1)), -np.inf)[known]
    evidence = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(result.posterior, np.exp(joint - evidence[:, None]), atol=1e-12)
    assert (result.posterior[3::7] == gold[3::7]).all(), "what is sure is exactly 1"
    bound = evidence[1:].sum() + log_prior(result, Prior.default(n_labels))  # nobody has answered the first
    assert result.objective[-1] == pytest.approx(bound, abs=1e-8)
    assert result.objective.shape == (7,)


def test_likelihood_is_that_of_every_way_in_which_the_items_could_be():
    table, _ = simulate(n_items=4, n_workers=3, n_labels=3, per_item=2)
    result = aggregate(table, prior=Prior.none(3), max_iter=3)
    joint = log_joint(table, result)
    total = sum(np.exp(sum(joint[i, k] for i, k in enumerate(ks))) for ks in itertools.product(range(3), repeat=4))
    assert result.objective[-1] == pytest.approx(np.log(total) + log_prior(result, Prior.none(3)), abs=1e-9)


def test_one_step_by_hand():
    """Two workers, two items: the step of maximisation from majority's shares, with one pseudo-count right."""
    table = LabelTable.from_arrays([0, 0, 1], [0, 1, 0], [0, 1, 1], n_labels=2)
    prior = Prior(np.eye(2), np.ones(2))
    result = aggregate(table, prior=prior, max_iter=1, accelerate=False)
    # Shares (1/2, 1/2) and (0, 1). Worker 0's counts, rows true: [1/2, 0], [1/2, 1]; worker 1's: [0, 1/2] twice.
    start = np.array([[[1.5, 0], [0.5, 2]], [[1, 0.5], [0, 1.5]]]) + 1e-10
    start /= start.sum(axis=2, keepdims=True)
    first = start[0, :, 0] * start[1, :, 1] * [1.5, 2.5]
    second = start[0, :, 1] * [1.5, 2.5]
    q = np.array([first / first.sum(), second / second.sum()])
    counts = np.array([[q[0], q[1]], [[0, 0], q[0]]]).transpose(0, 2, 1) + np.eye(2)
    expected = counts / counts.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(result.confusion, expected, atol=1e-9)
    np.testing.assert_allclose(result.prevalence, (q.sum(axis=0) + 1) / 4, atol=1e-9)


@given(answers(min_answers=1), st.sampled_from(["default", "none", "strong"]))
@settings(deadline=None)
def test_the_bound_never_falls_and_rows_sum_to_one(drawn, kind):
    table = table_of(drawn)
    prior = {
        "default": Prior.default(table.n_labels),
        "none": Prior.none(table.n_labels),
        "strong": Prior.diagonal(table.n_labels, right=20, wrong=3, prevalence=4),
    }[kind]
    result = aggregate(table, prior=prior, max_iter=60)
    assert (np.diff(result.objective) >= -1e-7).all()
    np.testing.assert_allclose(result.posterior.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(result.confusion.sum(axis=2), 1, atol=1e-9)
    assert result.prevalence.sum() == pytest.approx(1)


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("prior", [Prior.none(4), Prior.default(4)])
def test_the_bound_never_falls_while_many_rows_fade(prior, accelerate):
    """Of poor workers many cells go towards zero, and the way is long and flat: extrapolations fail on it."""
    table, _ = simulate(n_items=3000, n_workers=150, n_labels=4, per_item=4, accuracy=(0.25, 0.5), seed=2)
    objective = aggregate(table, prior=prior, max_iter=300, tol=0, accelerate=accelerate).objective
    assert (np.diff(objective) >= -1e-12 * np.abs(objective[1:])).all()


def test_a_large_table_numbered_otherwise_gives_the_same_to_a_billionth():
    table, _ = simulate(n_items=9000, n_workers=60, n_labels=4, per_item=6, accuracy=(0.3, 0.8))
    rng = np.random.default_rng(1)
    items, workers = rng.permutation(9000), rng.permutation(60)
    order = rng.permutation(table.n_answers)
    other = LabelTable.from_arrays(
        items[table.item[order]], workers[table.worker[order]], table.label[order], n_labels=4
    )
    plain, moved = aggregate(table), aggregate(other)
    assert plain.converged
    np.testing.assert_allclose(moved.posterior[items], plain.posterior, atol=1e-9)


def test_the_number_of_threads_changes_no_bit():
    table, _ = simulate(n_items=9000, n_workers=60, n_labels=4, per_item=6)
    one, three = (aggregate(table, threads=threads, max_iter=20) for threads in (1, 3))
    np.testing.assert_array_equal(one.posterior, three.posterior)
    np.testing.assert_array_equal(one.objective, three.objective)


def test_of_the_accepted_labels_of_gold_the_answers_choose():
    table, truth = simulate(n_items=300, accuracy=(0.85, 0.95))
    accepted = np.zeros((300, 3), dtype=bool)
    accepted[0, [truth[0], (truth[0] + 1) % 3]] = True
    result = aggregate(table, gold=accepted)
    assert result.posterior[0, (truth[0] + 2) % 3] == 0
    assert result.labels[0] == truth[0]


def test_gold_mends_a_shared_bias():
    """Most workers swap two labels: without gold their word is taken, with gold it is turned round."""
    rng = np.random.default_rng(5)
    truth = rng.integers(2, size=400)
    item, worker = np.divmod(np.arange(400 * 7), 7)
    honest = (worker < 2) == (rng.random(item.size) < 0.9)
    table = LabelTable.from_arrays(item, worker, np.where(honest, truth[item], 1 - truth[item]), n_labels=2)
    gold = np.where(np.arange(400) < 40, truth, -1)
    assert (aggregate(table).labels == truth).mean() < 0.1
    assert (aggregate(table, gold=gold).labels == truth)[40:].mean() > 0.95


def test_gold_says_nothing_of_how_common_a_label_is():
    table, _ = simulate(n_items=200, n_labels=2, accuracy=(0.9, 0.95))
    more = LabelTable.from_arrays(table.item, table.worker, table.label, n_labels=2, n_items=1000)
    gold = np.where(np.arange(1000) < 200, -1, 1)
    result = aggregate(more, gold=gold)
    np.testing.assert_allclose(result.prevalence, aggregate(table).prevalence, atol=1e-9)


def test_items_without_answers_and_workers_without_any():
    table = LabelTable.from_arrays([0, 2], [1, 1], [0, 0], n_labels=2, n_items=4, n_workers=3)
    result = aggregate(table)
    np.testing.assert_allclose(result.posterior[[1, 3]], [result.prevalence] * 2, atol=1e-12)
    np.testing.assert_allclose(result.confusion[[0, 2]], np.full((2, 2, 2), [[0.8, 0.2], [0.2, 0.8]]))
    unsure = aggregate(table, prior=Prior.none(2))
    np.testing.assert_allclose(unsure.confusion[0], np.full((2, 2), 0.5))


def test_thousands_of_answers_to_one_item_do_not_underflow():
    """Half say one thing and half the other: the product of either label's chances is no number any more."""
    worker = np.arange(5000)
    sure = LabelTable.from_arrays(np.zeros(5000, int), worker, (worker % 3 == 0).astype(int), n_labels=2)
    np.testing.assert_allclose(aggregate(sure).posterior, [[1, 0]], atol=1e-12)
    torn = LabelTable.from_arrays(np.zeros(5000, int), worker, worker % 2, n_labels=2)
    result = aggregate(torn, max_iter=3)
    bound = np.logaddexp.reduce(log_joint(torn, result), axis=1).sum() + log_prior(result, Prior.default(2))
    assert result.objective[-1] == pytest.approx(bound, rel=1e-12)
    np.testing.assert_allclose(result.posterior, [[0.5, 0.5]], atol=1e-9)


def test_maximisation_counts_a_little_of_every_answer_and_raises_nothing_to_it():
    """With a least count in its place the step would not be the highest, where counts are as small as that."""
    counts = np.array([[[[3e-11, 5.0], [0.0, 2e-10]]]])  # block, worker, answered, true
    weights = np.empty((1, 2, 2))
    density = maximisation.normalise_for(2)(0, 1, counts, np.zeros((1, 2, 2)), weights, np.empty(2), np.empty((2, 2)))
    expected = (counts[0] + FLOOR) / (counts[0] + FLOOR).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, expected, rtol=1e-12)
    assert density == pytest.approx(FLOOR * np.log(expected).sum())


def test_extrapolation_lands_where_steps_that_shrink_evenly_would_end():
    rng = np.random.default_rng(0)
    end, away = rng.dirichlet(np.full(3, 5.0), size=(1, 3)).transpose(0, 2, 1), rng.uniform(0, 0.1, size=(1, 3, 3))
    steps = [(np.sqrt(end) + away * 0.75**n) ** 2 for n in range(3)]  # they shrink evenly in square roots
    found, work = np.empty_like(end), np.empty((2, 3, 3))
    assert maximisation.extrapolate(0, 1, *steps, 64.0, found, *work) == 0
    np.testing.assert_allclose(found, end, atol=1e-12)
    assert maximisation.extrapolate(0, 1, *steps, 2.0, found, *work) == 3


def test_extrapolation_ends_where_plain_steps_do_and_sooner():
    table, _ = simulate(n_items=2000, n_workers=40, n_labels=3, accuracy=(0.35, 0.6), seed=4)
    plain, fast = (aggregate(table, accelerate=accelerate) for accelerate in (False, True))
    assert fast.n_iter < 0.7 * plain.n_iter
    assert (np.diff(fast.objective) >= -1e-7).all()
    np.testing.assert_allclose(fast.posterior, plain.posterior, atol=1e-5)


def test_a_warm_start_ends_where_a_cold_one_does_and_sooner():
    table, _ = simulate(n_items=400)
    cold = aggregate(table)
    warm = aggregate(table, start=cold)
    assert warm.n_iter <= 2
    np.testing.assert_allclose(warm.posterior, cold.posterior, atol=1e-8)


def test_a_start_over_other_labels_is_refused():
    two, three = simulate(n_labels=2)[0], simulate(n_labels=3)[0]
    with pytest.raises(ValueError, match="start is a result over 3 label values, and this table has 2"):
        aggregate(two, start=aggregate(three))


def test_each_worker_can_have_a_prior_of_their_own():
    table = LabelTable.from_arrays([0, 0], [0, 1], [0, 1], n_labels=2)
    trusted, poor = [[90.0, 10], [10, 90]], [[55.0, 45], [45, 55]]
    result = aggregate(table, prior=Prior(np.array([trusted, poor]), np.ones(2)))
    assert result.posterior[0, 0] > 0.85
    assert result.labels[0] == 0
    in_lists = aggregate(table, prior=Prior([trusted, poor], [1, 1]))
    np.testing.assert_array_equal(in_lists.posterior, result.posterior)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (Prior.default(3), "this table needs"),
        (Prior(-np.eye(2), np.ones(2)), "finite and not negative"),
        (Prior(np.full((2, 2), np.nan), np.ones(2)), "finite and not negative"),
    ],
)
def test_a_prior_that_does_not_fit_is_refused(prior, message):
    table = LabelTable.from_arrays([0], [0], [0], n_labels=2)
    with pytest.raises(ValueError, match=message):
        aggregate(table, prior=prior)


def test_at_least_one_iteration_is_asked_for():
    table = LabelTable.from_arrays([0], [0], [0], n_labels=2)
    with pytest.raises(ValueError, match="max_iter must be at least 1"):
        aggregate(table, max_iter=0)


def test_parameters_are_told_in_types_that_json_carries():
    table, _ = simulate()
    params = json.loads(json.dumps(dict(aggregate(table).params)))
    assert params["prior"] == {"right": 4.0, "wrong": 1.0, "prevalence": 1.0}


@pytest.mark.parametrize(("n_labels", "seed"), [(2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (5, 0)])
def test_extrapolation_climbs_no_slower_where_some_answer_little(n_labels, seed):
    """A probability that it set to next to nothing would hold up all that follows."""
    rng = np.random.default_rng(seed)
    n_items, busy = 10_000, np.exp(rng.normal(0, 1.3, 200))
    item = np.repeat(np.arange(n_items), 5)
    worker = rng.choice(busy.size, item.size, p=busy / busy.sum())
    truth = rng.integers(n_labels, size=n_items)[item]
    right = rng.random(item.size) < rng.uniform(0.5, 0.95, busy.size)[worker]
    label = np.where(right, truth, (truth + rng.integers(1, n_labels, item.size)) % n_labels)
    table = LabelTable.from_arrays(item, worker, label, n_labels)
    plain, fast = (
        aggregate(table, "maximum_likelihood", max_iter=24, tol=0, accelerate=accelerate).objective
        for accelerate in (False, True)
    )
    for steps in (8, 16, 24):
        assert fast[: steps - 2].max() > plain[steps - 1]


@pytest.mark.parametrize("kind", ["none", "default", "uneven", "of each worker"])
@pytest.mark.parametrize("with_gold", [False, True])
def test_rows_that_nobody_answered_need_not_be_held(kind, with_gold, monkeypatch):
    """Posterior, confusion of all rows, prevalence and bound are those of the fit that holds every row."""
    n_items, n_workers, n_labels = 100, 12, 13
    table, truth = simulate(n_items, n_workers, n_labels)
    rng = np.random.default_rng(0)
    prior = {
        "none": Prior.none(n_labels),
        "default": Prior.default(n_labels),
        "uneven": Prior(rng.random((n_labels, n_labels)), np.ones(n_labels)),
        "of each worker": Prior(rng.random((n_workers, n_labels, n_labels)), np.ones(n_labels)),
    }[kind]
    gold = np.where(np.arange(n_items) % 7 == 0, truth, -1) if with_gold else None
    found = []
    for sparse in (dawid_skene.is_sparse, lambda *_: False):
        monkeypatch.setattr(dawid_skene, "is_sparse", sparse)
        cold = aggregate(table, gold=gold, prior=prior, max_iter=6, tol=0)
        found.append((cold, aggregate(table, gold=gold, prior=prior, max_iter=3, tol=0, start=cold)))
    for few, all_rows in zip(*found, strict=True):
        for name in ("posterior", "confusion", "prevalence"):
            np.testing.assert_allclose(getattr(few, name), getattr(all_rows, name), rtol=0, atol=1e-9)
        np.testing.assert_allclose(few.objective, all_rows.objective, rtol=1e-11)
