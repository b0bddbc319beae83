"""What every model promises, and what each computes on cases that can be worked out."""

import itertools

import numpy as np
import pytest
from crowds import answers, read_set, simulate, table_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

from aggregation import METHODS, LabelTable, Prior, aggregate

pytestmark = pytest.mark.filterwarnings("ignore::aggregation.ConvergenceWarning")

CLIMBING = ["dawid_skene", "hierarchical", "bcc", "ebcc", "one_coin", "mace", "glad"]
LIMITS = {"max_iter": 25, "tol": 1e-9}
FEW = dict.fromkeys(CLIMBING, LIMITS) | {"ebcc": {**LIMITS, "restarts": 2}}


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


@pytest.mark.parametrize("method", CLIMBING)
@given(drawn=answers(min_answers=1), data=st.data())
@settings(deadline=None, max_examples=40)
def test_the_bound_never_falls_and_what_sums_to_one_does(method, drawn, data):
    table = table_of(drawn)
    labels = st.integers(-1, table.n_labels - 1)
    gold = np.array(data.draw(st.lists(labels, min_size=table.n_items, max_size=table.n_items)))
    result = aggregate(table, method, gold=gold, **FEW[method])
    assert (np.diff(result.objective) >= -1e-7).all()
    assert result.objective.shape == (result.n_iter,)
    np.testing.assert_allclose(result.posterior.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(result.calibrated.sum(axis=1), 1, atol=1e-9)
    if result.confusion is not None:
        np.testing.assert_allclose(result.confusion.sum(axis=2), 1, atol=1e-9)
    assert result.prevalence.sum() == pytest.approx(1)
    np.testing.assert_array_equal(result.labels[gold >= 0], gold[gold >= 0])


@pytest.mark.parametrize("method", [*CLIMBING, "majority", "wawa", "auto"])
@given(drawn=answers(min_answers=1), random=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=25)
def test_neither_order_nor_numbering_changes_a_result(method, drawn, random):
    other, items, workers = renumbered(drawn, random)
    options = FEW.get(method, {})
    plain, moved = (aggregate(table, method, **options) for table in (table_of(drawn), other))
    np.testing.assert_allclose(moved.posterior[items], plain.posterior, atol=1e-9)
    second, first = np.sort(plain.posterior, axis=1)[:, -2:].T
    sure = first - second > 1e-6  # which of two labels is taken that tie but for rounding, rounding decides
    np.testing.assert_allclose(moved.confidence[items][sure], plain.confidence[sure], atol=1e-9)
    if plain.confusion is not None:
        np.testing.assert_allclose(moved.confusion[workers], plain.confusion, atol=1e-9)


@pytest.mark.parametrize("method", ["dawid_skene", "auto"])
def test_nor_does_numbering_change_what_gold_teaches(method):
    """Few workers and few labels: many items are answered alike, and gold tells them apart."""
    table, truth = simulate(n_items=60, n_workers=3, n_labels=2, per_item=3, accuracy=(0.6, 0.8))
    gold = np.where(np.arange(60) % 3 == 0, truth, -1)
    rng = np.random.default_rng(2)
    items, order = rng.permutation(60), rng.permutation(table.n_answers)
    other = LabelTable.from_arrays(items[table.item[order]], table.worker[order], table.label[order], n_labels=2)
    moved_gold = np.full(60, -1)
    moved_gold[items] = gold
    plain, moved = aggregate(table, method, gold=gold), aggregate(other, method, gold=moved_gold)
    np.testing.assert_allclose(moved.confidence[items], plain.confidence, atol=1e-9)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_accurate_workers_are_understood(method):
    table, truth = simulate(n_items=150, n_workers=12, n_labels=4, accuracy=(0.75, 0.95))
    assert (aggregate(table, method).labels == truth).mean() > 0.95


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 2), (3, 2)])
def test_no_answers_at_all(method, shape):
    n_items, n_workers = shape
    table = LabelTable.from_arrays([], [], [], n_labels=2, n_items=n_items, n_workers=n_workers)
    result = aggregate(table, method)
    np.testing.assert_allclose(result.posterior, np.full((n_items, 2), 0.5))
    np.testing.assert_allclose(result.confidence, np.full(n_items, 0.5))


@pytest.mark.parametrize("method", ["one_coin", "mace", "hierarchical"])
def test_a_thousand_labels(method):
    table, truth = simulate(n_items=60, n_workers=5, n_labels=1000, accuracy=(0.85, 0.95))
    assert (aggregate(table, method, max_iter=20).labels == truth).mean() > 0.9


@pytest.mark.parametrize("method", ["dawid_skene", "ebcc"])
def test_more_confusion_than_memory_is_refused_with_what_to_use(method):
    table = LabelTable.from_arrays([0, 0], [0, 999], [0, 999], n_labels=1000)
    with pytest.raises(ValueError, match="use majority, wawa or glad"):
        aggregate(table, method)


@pytest.mark.parametrize("method", ["one_coin", "mace"])
def test_the_posterior_is_that_of_the_parameters(method):
    table, _ = simulate(n_items=60, n_workers=8)
    result = aggregate(table, method, max_iter=9)
    log = np.tile(np.log(result.prevalence), (table.n_items, 1))
    for item, worker, label in zip(table.item, table.worker, table.label, strict=True):
        log[item] += np.log(result.confusion[worker, :, label])
    joint = np.exp(log)
    np.testing.assert_allclose(result.posterior, joint / joint.sum(axis=1, keepdims=True), atol=1e-12)


def test_one_coin_spreads_errors_evenly_and_counts_the_prior():
    table = LabelTable.from_arrays([0, 0, 1, 1], [0, 1, 0, 1], [2, 2, 1, 1], n_labels=3)
    result = aggregate(table, "one_coin", gold=np.array([2, 0]))
    # Each worker: one right and one wrong of gold, three right and one wrong of the prior.
    expected = np.full((3, 3), (2 / 6) / 2)
    np.fill_diagonal(expected, 4 / 6)
    np.testing.assert_allclose(result.confusion, [expected, expected])


def test_mace_tells_a_spammers_habit():
    rng = np.random.default_rng(3)
    truth = rng.integers(2, size=300)
    item, worker = np.divmod(np.arange(1500), 5)
    label = np.where(worker == 4, 1, np.where(rng.random(1500) < 0.9, truth[item], 1 - truth[item]))
    result = aggregate(LabelTable.from_arrays(item, worker, label, n_labels=2), "mace")
    np.testing.assert_allclose(result.confusion[4], [[0, 1], [0, 1]], atol=0.03)


def log_evidence(table, prior):
    """Sum over every way in which the items could be, with all parameters integrated out."""

    def polya(counts, parameters):
        total = gammaln(parameters.sum(-1)) - gammaln((counts + parameters).sum(-1))
        return (total + (gammaln(counts + parameters) - gammaln(parameters)).sum(-1)).sum()

    terms = []
    for labels in itertools.product(range(table.n_labels), repeat=table.n_items):
        z = np.array(labels)
        counts = np.zeros((table.n_workers, table.n_labels, table.n_labels))
        np.add.at(counts, (table.worker, z[table.item], table.label), 1)
        prevalence = np.bincount(z, minlength=table.n_labels)
        terms.append(polya(counts, prior.confusion) + polya(prevalence, prior.prevalence))
    return np.logaddexp.reduce(terms)


def test_the_variational_bound_lies_below_the_evidence_and_not_far():
    table, _ = simulate(n_items=5, n_workers=4, n_labels=2, per_item=3, accuracy=(0.8, 0.95), seed=2)
    prior = Prior.diagonal(2, right=4.0, wrong=1.0)
    evidence = log_evidence(table, prior)
    bound = aggregate(table, "bcc", prior=prior).objective[-1]
    assert evidence - 1.0 < bound <= evidence


def test_bcc_refuses_a_prior_without_density():
    table, _ = simulate(n_items=5)
    with pytest.raises(ValueError, match="must be above 0"):
        aggregate(table, "bcc", prior=Prior.none(3))


@pytest.mark.parametrize("method", ["one_coin", "mace", "hierarchical", "ebcc"])
def test_models_of_accuracy_refuse_a_prior_without_it(method):
    table, _ = simulate(n_items=5)
    with pytest.raises(ValueError, match="pseudo-counts above 0 for right and for wrong"):
        aggregate(table, method, prior=Prior.none(3))


def test_seeded_restarts_differ_and_a_seed_decides():
    table, _ = simulate(n_items=150, n_workers=12, n_labels=2, per_item=7, accuracy=(0.5, 0.8))
    first, again, other = (
        aggregate(table, "ebcc", restarts=1, seed=seed, max_iter=3, tol=0).posterior for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-6


def test_evidence_asks_for_subtypes_where_workers_err_together_and_only_there():
    rng = np.random.default_rng(0)
    truth, hard = rng.integers(2, size=500), rng.random(500) < 0.3
    item, worker = np.divmod(np.arange(500 * 9), 9)
    misled = hard[item] & (worker < 4)
    together = rng.random(item.size) < np.where(misled, 0.2, 0.9)
    apart = rng.random(item.size) < 0.75
    gain = {}
    for name, right in (("together", together), ("apart", apart)):
        table = LabelTable.from_arrays(item, worker, np.where(right, truth[item], 1 - truth[item]), n_labels=2)
        one, two = (aggregate(table, "ebcc", subtypes=m, restarts=3).objective[-1] for m in (1, 2))
        gain[name] = two - one
    assert gain["together"] > 100
    assert gain["apart"] < 2


def test_exchanged_labels_are_named_by_the_answers():
    from aggregation.climbing import renaming

    table, truth = simulate(n_items=60, n_labels=3, accuracy=(0.8, 0.95))
    exchanged = np.eye(3)[truth][:, [2, 0, 1]]
    order = renaming(table.votes().T @ exchanged)
    np.testing.assert_array_equal(exchanged[:, order].argmax(axis=1), truth)


def test_auto_reports_what_it_chose_and_why():
    table, _ = simulate(n_items=80, n_workers=8, n_labels=2)
    params = aggregate(table, "auto").params
    assert sum(model["weight"] for model in params["pool"]) == pytest.approx(1)
    assert all(model["foresees"] < 0 for model in params["pool"])
    assert params["majority_odds"] == 4.5
    assert params["overruled"] >= 0


def test_gold_that_the_majority_fails_silences_it():
    rng = np.random.default_rng(5)
    truth = rng.integers(2, size=200)
    item, worker = np.divmod(np.arange(200 * 7), 7)
    honest = (worker < 2) == (rng.random(item.size) < 0.9)
    table = LabelTable.from_arrays(item, worker, np.where(honest, truth[item], 1 - truth[item]), n_labels=2)
    result = aggregate(table, "auto", gold=np.where(np.arange(200) < 40, truth, -1))
    assert result.params["majority_odds"] == 1.0
    assert (result.labels == truth)[40:].mean() > 0.9


def test_a_majority_is_overruled_only_on_good_odds():
    from aggregation.auto import hear_majority
    from aggregation.gold import Clamp

    table = LabelTable.from_arrays([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2], [0, 0, 1, 0, 0, 1], n_labels=2)
    posterior = np.array([[0.21, 0.79], [0.19, 0.81]])
    heard, overruled = hear_majority(table, Clamp.from_gold(None, 2, 2), posterior, 4.0)
    np.testing.assert_array_equal(heard.argmax(axis=1), [0, 1])
    assert overruled == 1


def test_agreement_counts_ties_in_shares():
    from aggregation.wawa import agreement

    table = LabelTable.from_arrays([0, 0, 1, 1, 1], [0, 1, 0, 1, 2], [0, 1, 1, 1, 0], n_labels=2, n_workers=4)
    votes = aggregate(table, "majority").posterior
    np.testing.assert_allclose(agreement(table, votes), [0.75, 0.75, 0, 0])


@pytest.mark.parametrize("name", ["temp", "bluebird", "dog"])
def test_auto_keeps_its_floor_on_recorded_sets(name):
    from aggregation.metrics import accuracy

    table, truth = read_set(name)
    known = truth >= 0
    auto, majority = (
        accuracy(aggregate(table, method).posterior[known], truth[known]) for method in ("auto", "majority")
    )
    assert auto >= majority - 0.01


def test_glad_finds_the_hard_items():
    rng = np.random.default_rng(1)
    truth, hard = rng.integers(2, size=200), np.arange(200) < 60
    item, worker = np.divmod(np.arange(200 * 15), 15)
    right = rng.random(item.size) < np.where(hard[item], 0.6, 0.95)
    table = LabelTable.from_arrays(item, worker, np.where(right, truth[item], 1 - truth[item]), n_labels=2)
    confidence = aggregate(table, "glad").posterior.max(axis=1)
    assert confidence[hard].mean() < confidence[~hard].mean()


def test_auto_takes_wawas_labels_where_confusion_would_not_fit_and_says_so():
    table = LabelTable.from_arrays([0, 0], [0, 999], [7, 7], n_labels=1000)
    result = aggregate(table, "auto")
    assert result.labels.tolist() == [7]
    assert "cells of confusion" in result.params["because"]


@pytest.mark.parametrize("method", CLIMBING)
def test_a_warm_start_goes_on_where_an_earlier_result_stood_and_takes_in_what_came_since(method):
    table, truth = simulate(n_items=120, n_workers=10, n_labels=3, accuracy=(0.7, 0.95))
    earlier = aggregate(table.keep((table.item < 80) & (table.worker < 9)), method)
    options = {"tol": 1e-3}
    cold, warm = (aggregate(table, method, start=start, **options) for start in (None, earlier))
    again = aggregate(table, method, start=cold, **options)
    assert (warm.labels == truth).mean() > 0.9
    np.testing.assert_allclose(warm.posterior, cold.posterior, atol=0.02)
    assert again.objective[0] > cold.objective[0]
    assert warm.params["warm"]


@pytest.mark.parametrize("method", ["dawid_skene", "one_coin", "mace", "hierarchical", "ebcc", "glad", "wawa", "auto"])
def test_what_is_known_of_workers_decides_where_answers_alone_do_not(method):
    """Two workers against two on every item: only earlier jobs can tell whom to believe."""
    truth = np.arange(40) % 2
    item, worker = np.divmod(np.arange(160), 4)
    table = LabelTable.from_arrays(item, worker, np.where(worker < 2, truth[item], 1 - truth[item]), n_labels=2)
    good, poor = np.array([[18.0, 2.0], [2.0, 18.0]]), np.array([[10.5, 9.5], [9.5, 10.5]])
    prior = Prior(np.stack([good, good, poor, poor]), np.ones(2))
    assert (aggregate(table, method, prior=prior).labels == truth).all()


@pytest.mark.parametrize("method", [*CLIMBING, "auto"])
@pytest.mark.parametrize(("opposed", "guessing"), [(0.3, 0.0), (0.0, 0.6), (0.15, 0.3)])
def test_labels_are_not_exchanged_in_a_crowd_that_is_half_bad(method, opposed, guessing):
    """Some workers always say the opposite, some guess, and most items have one label."""
    rng = np.random.default_rng(7)
    truth = (rng.random(300) < 0.3).astype(int)
    item, worker = np.divmod(np.arange(300 * 9), 9)
    worker = (worker * 5 + item * 7) % 40
    kind = np.arange(40) / 40
    right = np.where(kind < opposed, 0.15, np.where(kind < opposed + guessing, 0.5, 0.85))
    label = np.where(rng.random(item.size) < right[worker], truth[item], 1 - truth[item])
    table = LabelTable.from_arrays(item, worker, label, n_labels=2)
    votes, inferred = (aggregate(table, name) for name in ("majority", method))
    assert (inferred.labels == truth).mean() >= (votes.labels == truth).mean() - 0.01


def test_one_coin_holds_nobody_for_an_opponent_without_evidence():
    """Coins that agree with nobody: half of them are no opponents of the other half."""
    rng = np.random.default_rng(4)
    item, worker = np.divmod(np.arange(200 * 6), 6)
    guesses = LabelTable.from_arrays(item, worker, rng.integers(2, size=item.size), n_labels=2)
    assert (aggregate(guesses, "one_coin").confusion[:, 0, 0] >= 0.5 - 1e-9).all()
    gold = np.where(np.arange(200) < 50, 1, -1)
    told = LabelTable.from_arrays(item, worker, np.where(worker == 0, 0, 1), n_labels=2)
    assert aggregate(told, "one_coin", gold=gold).confusion[0, 0, 0] < 0.5


@pytest.mark.parametrize(
    ("method", "option", "message"),
    [
        ("majority", "start", "majority takes no start: its options are none"),
        ("wawa", "start", "wawa takes no start: its options are prior"),
        ("maximum_likelihood", "prior", "maximum_likelihood has no prior"),
        ("auto", "subtypes", "auto takes no subtypes: its options are pool, prior"),
    ],
)
def test_an_option_that_a_method_does_not_have_is_refused(method, option, message):
    table, _ = simulate(n_items=5)
    with pytest.raises(ValueError, match=message):
        aggregate(table, method, **{option: None})


def test_the_chance_of_an_answer_by_the_others_is_near_that_of_leaving_it_out():
    """Against a fit without the answer: the prediction that the cavity stands for."""
    from aggregation.bayes import Pooled
    from aggregation.blocks import Blocks
    from aggregation.gold import Clamp

    table, _ = simulate(n_items=80, n_workers=8, n_labels=2, accuracy=(0.6, 0.9))
    clamp, prior = Clamp.from_gold(None, 80, 2), Prior.of_accuracy(2)

    def fitted(answers):
        with Blocks(answers, 32, threads=1) as blocks:
            fit = Pooled(answers, clamp, blocks, prior)
            fit.begin_with_votes()
            fit.climb(500, 1e-6)
        return fit

    foreseen = fitted(table).foreseen()
    for n in range(0, table.n_answers, 29):
        fit = fitted(table.keep(np.arange(table.n_answers) != n))
        chance = fit.posterior[table.item[n]] @ fit.confusion()[table.worker[n]][:, table.label[n]]
        assert foreseen[n] == pytest.approx(chance, abs=0.08)


def test_stacking_finds_the_mixture():
    from aggregation.cavity import stack

    rng = np.random.default_rng(0)
    first, second = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    answers = np.where(rng.random(20_000) < 0.7, rng.random(20_000) < first[1], rng.random(20_000) < second[1])
    np.testing.assert_allclose(
        stack(np.stack([first[answers.astype(int)], second[answers.astype(int)]]))[0], 0.7, atol=0.03
    )


def test_strides_end_where_steps_do_and_sooner():
    from aggregation.bayes import Pooled
    from aggregation.blocks import Blocks
    from aggregation.gold import Clamp

    table, _ = simulate(n_items=300, n_workers=20, n_labels=2, accuracy=(0.5, 0.75))
    results = []
    for climb in (Pooled.climb, Pooled.climb_in_strides):
        with Blocks(table, 80, threads=1) as blocks:
            fit = Pooled(table, Clamp.from_gold(None, 300, 2), blocks, Prior.of_accuracy(2))
            fit.begin_with_votes()
            results.append(climb(fit, 5000, 1e-8))
    plain, strided = results
    assert strided.n_iter < plain.n_iter / 2
    assert (np.diff(strided.objective) >= -1e-9).all()
    np.testing.assert_allclose(strided.posterior, plain.posterior, atol=1e-4)
