"""What every method promises, whichever it is: the project's own, and crowd-kit's under the same roof."""

import itertools
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from crowds import answers, simulate, table_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation import METHODS, ConvergenceWarning, LabelTable, Prior, aggregate, auto, watching
from aggregation.crowdkit_adapter import NAMES
from aggregation.gold import Clamp
from aggregation.restarts import Restarts

pytestmark = pytest.mark.filterwarnings("ignore::aggregation.ConvergenceWarning")

OWN = list(METHODS)
THEIRS = [f"crowdkit:{name}" for name in NAMES]
COUNTING = ["majority", "wawa"]
CLIMBING = [method for method in OWN if method not in [*COUNTING, "auto"]]
WITH_PRIOR = [method for method in OWN if method not in ("majority", "maximum_likelihood")]
# auto says itself how far it climbs, and ebcc from how many starts.
QUICK = {method: {"max_iter": 25, "tol": 1e-9} for method in CLIMBING} | {"auto": {"restarts": 2}}
QUICK["ebcc"] = {**QUICK["ebcc"], "restarts": 2}
ALONE = QUICK | {
    "crowdkit:GLAD": {"n_iter": 3},
    "crowdkit:MACE": {"n_iter": 5, "n_restarts": 2},
    "crowdkit:ZeroBasedSkill": {"n_iter": 10},
    "crowdkit:DawidSkene": {"n_iter": 10},
    "crowdkit:OneCoinDawidSkene": {"n_iter": 10},
}
HASTE = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def inferred(table, method, **options):
    """Infer quickly; crowd-kit alone may say that it cannot, as it does of what some of its models are not made for."""
    try:
        return aggregate(table, method, **{**ALONE.get(method, {}), **options})
    except ValueError as error:
        if method not in THEIRS or "cannot aggregate this table: " not in str(error):
            raise
        return None


@pytest.mark.parametrize("method", [*OWN, *THEIRS])
def test_whatever_the_answers_a_result_keeps_its_form_and_gold(method):
    """Sparse answers, repeats, items without any, workers with one, gold with and without answers, and no answers.

    Workers may have done earlier jobs, and an earlier result over some of the workers may be gone on from.
    """

    @given(drawn=answers(), data=st.data())
    @settings(HASTE, max_examples=25 if method in OWN else 4)
    def holds(drawn, data):
        table = table_of(drawn)
        shape = table.n_items, table.n_labels
        labels = st.integers(-1, table.n_labels - 1)
        gold = np.array(data.draw(st.lists(labels, min_size=shape[0], max_size=shape[0])))
        accepted = np.eye(table.n_labels, dtype=bool)[gold] & (gold >= 0)[:, None]
        if data.draw(st.booleans()):
            accepted[:, 0] |= accepted[:, -1]  # of some gold either label is right
        options = {}
        if method in WITH_PRIOR and data.draw(st.booleans()):
            counts = data.draw(st.sampled_from([0.1, 3.0, 40.0])) * (0.2 + np.eye(table.n_labels))
            each = data.draw(st.lists(st.floats(0.01, 2), min_size=table.n_workers, max_size=table.n_workers))
            options["prior"] = Prior(np.array(each)[:, None, None] * counts, np.full(table.n_labels, 0.5))
        if method in [*CLIMBING, "auto"] and data.draw(st.booleans()):
            known = max(data.draw(st.integers(0, table.n_workers)), 1)
            kept = table.keep(table.worker < known)
            earlier = LabelTable.from_arrays(kept.item, kept.worker, kept.label, table.n_labels, n_workers=known)
            options["start"] = inferred(earlier, method)
        if method in CLIMBING:
            options["restarts"] = data.draw(st.sampled_from([1, 1, 2]))
        result = inferred(table, method, gold=accepted, **options)
        if result is None:
            return
        assert (np.diff(result.objective) >= -1e-7).all(), "the bound never falls"
        assert result.objective.shape == (result.n_iter,)
        for distributions in (result.posterior, result.calibrated):
            assert distributions.shape == shape
            assert (distributions >= 0).all()
            np.testing.assert_allclose(distributions.sum(axis=1), 1, atol=1e-9)
        if result.confusion is not None:
            assert result.confusion.shape == (table.n_workers, table.n_labels, table.n_labels)
            np.testing.assert_allclose(result.confusion.sum(axis=2), 1, atol=1e-9)
        assert result.prevalence.sum() == pytest.approx(1)
        assert ((result.confidence >= 0) & (result.confidence <= 1 + 1e-12)).all()
        known = accepted.any(axis=1)
        assert (result.posterior[known][~accepted[known]] == 0).all(), "gold keeps to what is known of it"
        assert accepted[known, result.labels[known]].all()
        bare = (table.answers_per_item == 0) & ~known
        np.testing.assert_allclose(np.ptp(result.posterior[bare], axis=0) if bare.any() else 0, 0, atol=1e-9)
        json.dumps(dict(result.params))

    holds()


def renumbered(drawn, random):
    """Give the same answers in another order, with items and workers numbered otherwise."""
    item, worker, label, n_items, n_workers, n_labels = drawn
    items, workers = (
        np.array(random.sample(range(n_items), n_items)),
        np.array(random.sample(range(n_workers), n_workers)),
    )
    last = {(i, w): n for n, (i, w) in enumerate(zip(item, worker, strict=True))}
    order = random.sample(list(last.values()), len(last))
    table = LabelTable.from_arrays(
        items[item[order]],
        workers[worker[order]],
        label[order],
        n_labels=n_labels,
        n_items=n_items,
        n_workers=n_workers,
    )
    return table, items, workers


@pytest.mark.parametrize("method", OWN)
@given(drawn=answers(min_answers=1), random=st.randoms(use_true_random=False))
@HASTE
def test_neither_order_nor_names_change_a_result_and_of_repeats_the_last_counts(method, drawn, random):
    """Of repeated answers only the last is in the other table."""
    # Sums in another order are rounded otherwise, and a climb by extrapolation that is cut off makes more of that.
    close = 1e-6 if method == "ebcc" else 1e-9
    other, items, workers = renumbered(drawn, random)
    plain, moved = (inferred(table, method) for table in (table_of(drawn), other))
    np.testing.assert_allclose(moved.posterior[items], plain.posterior, atol=close)
    second, first = np.sort(plain.posterior, axis=1)[:, -2:].T
    sure = first - second > max(1e-6, 10 * close)  # which of two labels is taken that tie, rounding decides
    np.testing.assert_allclose(moved.confidence[items][sure], plain.confidence[sure], atol=close)
    if plain.confusion is not None:
        np.testing.assert_allclose(moved.confusion[workers], plain.confusion, atol=close)


@pytest.mark.parametrize("method", THEIRS)
def test_nor_does_order_change_what_crowdkit_says(method):
    """Names do: KOS and MACE draw a number for each in turn."""
    table, _ = simulate(n_items=40, n_workers=6, n_labels=2, accuracy=(0.6, 0.9))
    order = np.random.default_rng(0).permutation(table.n_answers)
    other = LabelTable.from_arrays(table.item[order], table.worker[order], table.label[order], n_labels=2)
    np.testing.assert_array_equal(inferred(other, method).posterior, inferred(table, method).posterior)


@pytest.mark.parametrize("method", [*OWN, *THEIRS])
@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 2), (3, 2)])
def test_without_answers_every_label_is_as_likely(method, shape):
    n_items, n_workers = shape
    table = LabelTable.from_arrays([], [], [], n_labels=2, n_items=n_items, n_workers=n_workers)
    result = aggregate(table, method)
    np.testing.assert_allclose(result.posterior, np.full((n_items, 2), 0.5))
    np.testing.assert_allclose(result.confidence, np.full(n_items, 0.5))
    assert result.converged


@pytest.mark.parametrize("method", [*OWN, *THEIRS])
def test_where_all_say_the_same_that_is_the_label(method):
    item, worker = np.divmod(np.arange(60), 3)
    result = inferred(LabelTable.from_arrays(item, worker, np.ones(60, int), n_labels=2), method)
    if result is None:
        assert method in ("crowdkit:MMSR", "crowdkit:KOS")
        return
    assert (result.labels == 1).all()
    assert (result.posterior[:, 1] > 0.8).all()


@pytest.mark.parametrize("method", [*OWN, *THEIRS])
@pytest.mark.parametrize("n_labels", [2, 9])
def test_accurate_workers_are_understood(method, n_labels):
    table, truth = simulate(n_items=100, n_workers=12, n_labels=n_labels, accuracy=(0.75, 0.95))
    result = inferred(table, method)
    if result is None:
        assert (method, n_labels > 2) == ("crowdkit:KOS", True)
    else:
        assert (result.labels == truth).mean() > 0.95


@pytest.mark.parametrize("method", OWN)
def test_a_thousand_labels_are_understood(method):
    options = {"max_iter": 2} if method in CLIMBING else {}
    options |= {"restarts": 1} if method == "ebcc" else {}
    table, truth = simulate(n_items=40, n_workers=4, n_labels=1000, per_item=4, accuracy=(0.85, 0.95))
    assert (aggregate(table, method, **options).labels == truth).mean() > 0.9


@pytest.mark.parametrize("method", [*CLIMBING, "auto"])
def test_it_warns_where_it_does_not_converge_and_only_there(method, monkeypatch):
    table, _ = simulate(n_items=60, n_workers=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert aggregate(table, method).converged
    monkeypatch.setattr(auto, "FULL", auto.Pace(2, 2, 1e-12))
    hasty = {} if method == "auto" else {"max_iter": 2, "tol": 1e-12}
    with pytest.warns(ConvergenceWarning, match=f"^{method} did not converge in 2 iterations: raise max_iter"):
        result = aggregate(table, method, **hasty)
    assert not result.converged


@pytest.mark.parametrize("method", [*CLIMBING, "auto"])
def test_who_watches_is_told_of_every_step(method):
    table, _ = simulate(n_items=60, n_workers=8)
    told = []
    with watching.watched(lambda bound, change: told.append((bound, change))):
        result = aggregate(table, method)
    aggregate(table, method)
    assert len(told) >= result.n_iter
    assert result.objective[-1] in [bound for bound, _ in told]
    assert min(change for _, change in told) <= (auto.FULL.tol if method == "auto" else 1e-3)


@pytest.mark.parametrize("method", [*CLIMBING, "auto"])
def test_a_warm_start_goes_on_where_an_earlier_result_stood_and_takes_in_what_came_since(method):
    table, truth = simulate(n_items=120, n_workers=10, n_labels=3, accuracy=(0.7, 0.95))
    earlier = aggregate(table.keep((table.item < 80) & (table.worker < 9)), method)
    cold, warm = (aggregate(table, method, start=start) for start in (None, earlier))
    again = aggregate(table, method, start=cold)
    assert (warm.labels == truth).mean() > 0.9
    np.testing.assert_allclose(warm.posterior, cold.posterior, atol=0.02)
    anew = method in ("ebcc", "auto")  # which draw subtypes anew, and stop at a tolerance of their own
    assert anew or again.n_iter < cold.n_iter
    assert again.objective[-1] >= cold.objective[-1] * (1 + (1e-3 if anew else 1e-9))
    assert again.objective[0] > cold.objective[0]
    assert warm.params["warm"]


@pytest.mark.parametrize("method", WITH_PRIOR)
def test_what_is_known_of_workers_decides_where_answers_alone_do_not(method):
    """Two workers against two on every item: only earlier jobs can tell whom to believe."""
    truth = np.arange(40) % 2
    item, worker = np.divmod(np.arange(160), 4)
    table = LabelTable.from_arrays(item, worker, np.where(worker < 2, truth[item], 1 - truth[item]), n_labels=2)
    good, poor = np.array([[18.0, 2.0], [2.0, 18.0]]), np.array([[10.5, 9.5], [9.5, 10.5]])
    for workers, right in (([good, good, poor, poor], truth), ([poor, poor, good, good], 1 - truth)):
        assert (aggregate(table, method, prior=Prior(np.stack(workers), np.ones(2))).labels == right).all()


def half_bad(opposed, guessing):
    """Return a crowd of whom some always say the opposite and some guess, where most items have one label; truth."""
    rng = np.random.default_rng(7)
    truth = (rng.random(300) < 0.3).astype(int)
    item, worker = np.divmod(np.arange(300 * 9), 9)
    worker = (worker * 5 + item * 7) % 40
    kind = np.arange(40) / 40
    right = np.where(kind < opposed, 0.15, np.where(kind < opposed + guessing, 0.5, 0.85))
    label = np.where(rng.random(item.size) < right[worker], truth[item], 1 - truth[item])
    return LabelTable.from_arrays(item, worker, label, n_labels=2), truth


@pytest.mark.parametrize("method", [*CLIMBING, "auto"])
@pytest.mark.parametrize(("opposed", "guessing"), [(0.3, 0.0), (0.0, 0.6), (0.15, 0.3)])
def test_labels_are_not_exchanged_in_a_crowd_that_is_half_bad(method, opposed, guessing):
    table, truth = half_bad(opposed, guessing)
    votes, result = (aggregate(table, name) for name in ("majority", method))
    assert (result.labels == truth).mean() >= (votes.labels == truth).mean() - 0.01


@pytest.mark.parametrize("method", [*CLIMBING, "auto"])
def test_one_gold_item_does_not_turn_all_labels_round(method):
    """Four in ten oppose the others, and one item of which most are wrong says more than a thousand to one."""
    table, truth = half_bad(0.4, 0.0)
    gold = np.where(np.arange(300) == 0, truth, -1)
    assert (aggregate(table, method, gold=gold).labels == truth).mean() > 0.75


@pytest.mark.parametrize("method", [*CLIMBING, "auto"])
@pytest.mark.parametrize("n_gold", [0, 1, 10])
def test_labels_that_an_earlier_result_exchanged_are_named_by_the_answers(method, n_gold):
    table, truth = simulate(n_items=120, n_workers=10, n_labels=3, accuracy=(0.7, 0.95))
    cold, order = aggregate(table, method), [2, 0, 1]
    confusion = None if cold.confusion is None else cold.confusion[:, order]
    start = replace(cold, posterior=cold.posterior[:, order], confusion=confusion, prevalence=cold.prevalence[order])
    assert (start.posterior.argmax(axis=1) == truth).mean() < 0.1
    gold = np.where(np.arange(120) < n_gold, truth, -1)
    assert (aggregate(table, method, start=start, gold=gold).labels == truth).mean() > 0.9


def shared_bias():
    """Return a crowd of seven of whom five swap two labels, and the truth."""
    rng = np.random.default_rng(5)
    truth = rng.integers(2, size=200)
    item, worker = np.divmod(np.arange(200 * 7), 7)
    honest = (worker < 2) == (rng.random(item.size) < 0.9)
    return LabelTable.from_arrays(item, worker, np.where(honest, truth[item], 1 - truth[item]), n_labels=2), truth


@pytest.mark.parametrize("method", [method for method in [*CLIMBING, "auto"] if method != "mace"])
def test_where_most_share_a_bias_gold_is_believed(method):
    """In MACE nobody is worse than a guess."""
    table, truth = shared_bias()
    gold = np.where(np.arange(200) < 10, truth, -1)
    assert (aggregate(table, method, gold=gold).labels == truth)[10:].mean() > 0.9


@pytest.mark.parametrize("method", ["ebcc", "auto"])
def test_seeded_restarts_differ_and_a_seed_decides(method):
    table, _ = simulate(n_items=150, n_workers=12, n_labels=2, per_item=7, accuracy=(0.5, 0.8))
    options = {"max_iter": 3, "tol": 0} if method == "ebcc" else {"pool": [2]}
    first, again, other = (aggregate(table, method, restarts=1, seed=seed, **options).posterior for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-6


@pytest.mark.parametrize("method", [method for method in CLIMBING if method != "ebcc"])
def test_restarts_begin_elsewhere_as_a_seed_has_it_and_find_a_higher_summit(method):
    """Four in ten oppose the others: majority vote is at the foot of the lower summit, but for GLAD."""
    table, truth = half_bad(0.4, 0.0)
    bounds, found = [], {}
    for name, restarts, seed in (("one", 1, 0), ("some", 5, 0), ("again", 5, 0), ("others", 5, 1)):
        with watching.watched(lambda bound, _, told=(told := []): told.append(bound)):
            found[name] = aggregate(table, method, restarts=restarts, seed=seed)
        bounds.append(told)
    one, some, again, others = bounds
    assert some[: len(one)] == one
    assert some == again
    assert some[len(one)] != others[len(one)]
    np.testing.assert_array_equal(found["some"].posterior, found["again"].posterior)
    gained = found["some"].objective[-1] - found["one"].objective[-1]
    assert gained >= 0
    if method != "glad":
        assert gained > 1
        assert (found["one"].labels == truth).mean() < 0.85 < 0.95 <= (found["some"].labels == truth).mean()


def test_where_climbs_begin_is_drawn_by_answers_and_not_by_numbers():
    table, _ = simulate(n_items=40, n_workers=9)
    items, workers = np.random.default_rng(0).permutation(40), np.random.default_rng(1).permutation(9)
    other = LabelTable.from_arrays(items[table.item], workers[table.worker], table.label, n_labels=3)
    gold = np.where(np.arange(40) < 3, 1, -1)
    moved = np.full(40, -1)
    moved[items] = gold
    draws = list(Restarts(4, seed=5).begins(table, Clamp.from_gold(gold, 40, 3)))
    for draw, same in zip(draws, Restarts(4, seed=5).begins(other, Clamp.from_gold(moved, 40, 3)), strict=True):
        np.testing.assert_allclose(same[items], draw, atol=1e-12)
    assert len(draws) == 3
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(draws, 2)) > 0.1
