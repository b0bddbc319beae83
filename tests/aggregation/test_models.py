"""What every model promises, and what each computes on cases that can be worked out."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from crowds import read_set, simulate, uneven
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation import LabelTable, Prior, aggregate, auto, metrics, squarem, vanished
from aggregation.cavity import stack
from aggregation.gold import Clamp
from benchmarks.crowds import crowd

pytestmark = pytest.mark.filterwarnings("ignore::aggregation.ConvergenceWarning")


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


@pytest.mark.parametrize("method", ["dawid_skene", "ebcc"])
def test_more_confusion_than_memory_is_refused_with_what_to_use(method):
    table = LabelTable.from_arrays([0, 0], [0, 999], [0, 999], n_labels=1000)
    with pytest.raises(ValueError, match="use majority, wawa or glad"):
        aggregate(table, method)


@pytest.mark.parametrize("n_labels", [2, 3, 8, 9, 21])
@pytest.mark.parametrize("method", ["one_coin", "mace"])
def test_the_posterior_is_that_of_the_parameters_in_rows_of_any_length(method, n_labels):
    """Whatever the number of an item's answers, and where gold leaves it several labels."""
    table, gold = uneven(n_labels)
    result = aggregate(table, method, gold=gold, max_iter=9)
    log = np.tile(np.log(result.prevalence), (table.n_items, 1))
    log[gold.any(axis=1)] = np.where(gold, 0.0, -np.inf)[gold.any(axis=1)]
    for item, worker, label in zip(table.item, table.worker, table.label, strict=True):
        log[item] += np.log(result.confusion[worker, :, label])
    expected = np.exp(log - np.logaddexp.reduce(log, axis=1)[:, None])
    np.testing.assert_allclose(result.posterior, expected, atol=1e-12)
    assert (result.posterior[3::7] == gold[3::7]).all(), "what is sure is exactly 1"


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


def test_maces_bound_is_that_of_every_way_in_which_answers_could_have_come_about():
    """Each item has a label, each answer is known or drawn from the worker's habit: all of these are added up."""
    from aggregation.blocks import Blocks
    from aggregation.coin import Mace
    from aggregation.gold import Clamp

    table, _ = simulate(n_items=3, n_workers=3, n_labels=2, per_item=2, seed=1)
    prior = Prior.of_accuracy(2)
    with Blocks(table, 12, threads=1) as blocks:
        fit = Mace(table, Clamp.from_gold(None, 3, 2), blocks, prior)
        fit.begin_with_votes()
        objective = fit.climb(4, 0.0).objective
    total = 0.0
    for labels in itertools.product(range(2), repeat=3):
        for knowing in itertools.product([True, False], repeat=table.n_answers):
            chance = np.exp(fit.log_prevalence)[list(labels)].prod()
            for n, known in enumerate(knowing):
                worker, said = table.worker[n], table.label[n]
                luck = (1 - fit.knows[worker]) * fit.habit[worker, said]
                chance *= fit.knows[worker] * (said == labels[table.item[n]]) if known else luck
            total += chance
    right, wrong = prior.accuracy_counts(3)
    density = right @ np.log(fit.knows) + wrong @ np.log(1 - fit.knows) + (np.log(fit.habit) / 2).sum()
    assert objective[-1] == pytest.approx(np.log(total) + density + fit.log_prevalence.sum(), abs=1e-9)


def test_bcc_refuses_a_prior_without_density():
    table, _ = simulate(n_items=5)
    with pytest.raises(ValueError, match="must be above 0"):
        aggregate(table, "bcc", prior=Prior.none(3))


@pytest.mark.parametrize("method", ["one_coin", "mace", "hierarchical", "ebcc"])
def test_models_of_accuracy_refuse_a_prior_without_it(method):
    table, _ = simulate(n_items=5)
    with pytest.raises(ValueError, match="pseudo-counts above 0 for right and for wrong"):
        aggregate(table, method, prior=Prior.none(3))


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


@pytest.mark.parametrize("agreement", [[[1.0, 5.0], [6.0, 2.0]], [[1.0, 5.0], [2.0, 8.0]], [[4.0, 4.0], [5.0, 5.0]]])
def test_two_labels_are_renamed_as_any_number_would_be(agreement):
    from scipy.optimize import linear_sum_assignment

    from aggregation.climbing import renaming

    agreement = np.array(agreement)
    best = agreement[linear_sum_assignment(-agreement)].sum()
    order = renaming(agreement)
    assert agreement[[0, 1], order].sum() == best
    assert order.tolist() == ([1, 0] if best > np.trace(agreement) else [0, 1])


def test_auto_reports_what_it_chose_and_why():
    table, _ = simulate(n_items=80, n_workers=8, n_labels=2)
    params = aggregate(table, "auto").params
    assert sum(model["weight"] for model in params["pool"]) == pytest.approx(1)
    assert all(model["foresees"] < 0 for model in params["pool"])
    assert params["majority_odds"] == pytest.approx(50 * 8 * 2**2 / table.n_answers)
    assert params["overruled"] >= 0


def test_a_majority_is_overruled_only_on_good_odds():
    from aggregation.gold import Clamp
    from aggregation.majority_odds import hear_majority

    table = LabelTable.from_arrays([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2], [0, 0, 1, 0, 0, 1], n_labels=2)
    posterior = np.array([[0.21, 0.79], [0.19, 0.81]])
    heard, overruled = hear_majority(table, Clamp.from_gold(None, 2, 2), posterior, 4.0)
    np.testing.assert_array_equal(heard.argmax(axis=1), [0, 1])
    assert overruled == 1


def test_the_majority_counts_for_more_where_there_is_less_to_learn_of_workers():
    """Nothing but answers has a part in it: not labels that nobody gave, and no workers without answers."""
    from aggregation.majority_odds import odds_of_majority

    def odds(n_items):
        item, worker = np.divmod(np.arange(n_items * 4), 4)
        return odds_of_majority(LabelTable.from_arrays(item, worker, worker % 2, n_labels=3, n_workers=9))

    assert odds(1) == 9.0
    assert odds(50) == pytest.approx(4.0)
    assert odds(40) == pytest.approx(5.0)
    assert odds(5000) == 2.0
    assert odds_of_majority(LabelTable.from_arrays([], [], [], n_labels=2)) == 2.0


@pytest.mark.parametrize(("chance", "gold_label"), [(0.9, 0), (0.8, 1)])
def test_gold_says_what_the_majority_is_worth(chance, gold_label):
    """All items have a majority for label 0 and models that believe in label 1: whoever gold agrees with is heard."""
    from aggregation.gold import Clamp, HeldOut
    from aggregation.majority_odds import hear_majority, learn_odds

    n_items, gold = 20, np.arange(8)
    item, worker = np.divmod(np.arange(n_items * 3), 3)
    table = LabelTable.from_arrays(item, worker, (worker == 2).astype(int), n_labels=2)
    posterior = np.tile([1 - chance, chance], (n_items, 1))
    known = Clamp.from_gold(None, n_items, 2)
    result = aggregate(table, "auto")
    heard, _ = hear_majority(table, known, posterior, result.params["majority_odds"])
    result = replace(result, posterior=heard, labels=heard.argmax(axis=1))
    assert (result.labels != gold_label).all()
    held_out = HeldOut(gold, known, result, np.tile(np.eye(2, dtype=bool)[gold_label], (gold.size, 1)))
    learnt, [again] = learn_odds(table, known, result, [held_out])
    assert (learnt.labels == gold_label).all()
    assert (again.result.labels == gold_label).all()
    assert learnt.params["overruled"] == (n_items if gold_label == 1 else 0)


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
        ("maximum_likelihood", "prior", "maximum_likelihood takes no prior: its options are start"),
        ("auto", "subtypes", "auto takes no subtypes: its options are pool, prior"),
    ],
)
def test_an_option_that_a_method_does_not_have_is_refused(method, option, message):
    table, _ = simulate(n_items=5)
    with pytest.raises(ValueError, match=message):
        aggregate(table, method, **{option: None})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prior": 3}, TypeError, "prior must be a Prior, not int"),
        ({"start": "before"}, TypeError, "start must be a Result, not str"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": 1 << 64}, ValueError, "seed must be at least 0 and below 2"),
        ({"restarts": 1.5}, TypeError, "restarts must be a whole number, not 1.5"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
    ],
)
def test_an_option_of_another_kind_or_out_of_range_is_refused(options, error, message):
    table, _ = simulate(n_items=5)
    with pytest.raises(error, match=message):
        aggregate(table, "ebcc", **options)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (3, {}, "method must be a name, not int"),
        ("bcc", {"tol": "small"}, "tol must be a number, not 'small'"),
        ("auto", {"pool": "a"}, "pool must hold whole numbers of subtypes"),
        ("auto", {"pool": 2}, "pool must hold whole numbers of subtypes"),
        ("dawid_skene", {"accelerate": "no"}, "accelerate must be a bool, not str"),
    ],
)
def test_what_is_of_another_kind_is_refused_by_every_method(method, options, message):
    table, _ = simulate(n_items=5)
    with pytest.raises(TypeError, match=message):
        aggregate(table, method, **options)


def test_answers_that_are_no_table_are_refused_with_what_makes_one():
    with pytest.raises(TypeError, match=r"as LabelTable.from_arrays makes it, not list"):
        aggregate([[0, 0, 1]])
    with pytest.raises(TypeError, match=r"the number of items must be whole, not 2.5"):
        LabelTable.from_arrays([0], [0], [0], n_labels=2, n_items=2.5)


def missed_by_most(seed, n_items=400, n_workers=30, n_labels=4, per_item=7):
    """Return a crowd in which about six in ten take the first label for the second, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_labels, size=n_items)
    right = rng.normal(0.85, 0.08, size=(n_workers, n_labels))
    right[:, 0] = rng.normal(0.4, 0.12, size=n_workers)
    item = np.repeat(np.arange(n_items), per_item)
    worker = np.concatenate([rng.permutation(n_workers)[:per_item] for _ in range(n_items)])
    seen = rng.random(item.size) < right[worker, truth[item]]
    slip = (truth[item] + rng.integers(1, n_labels, item.size)) % n_labels
    label = np.where(seen, truth[item], np.where(truth[item] == 0, 1, slip))
    return LabelTable.from_arrays(item, worker, label, n_labels=n_labels), truth


@pytest.mark.parametrize("seed", [0, 3])
def test_auto_keeps_a_label_that_most_workers_miss(seed):
    """Every model of the pool explains it away; likelihood, begun from elsewhere, tells that it is there."""
    table, truth = missed_by_most(seed)
    result, votes = aggregate(table, "auto"), aggregate(table, "majority")
    assert metrics.accuracy(result.posterior, truth) > metrics.accuracy(votes.posterior, truth) + 0.05
    assert result.params["vanished"] == [0]
    assert {model["from"] for model in result.params["pool"]} == {"maximum_likelihood"}


def test_where_no_model_keeps_a_label_the_majority_is_heard(monkeypatch):
    table, _ = missed_by_most(0)
    monkeypatch.setattr(vanished, "LEFT", 2.0)
    result = aggregate(table, "auto")
    assert (result.labels == aggregate(table, "majority").labels).all()
    assert result.params["labels_of"] == "majority"


def test_gold_may_say_that_what_most_workers_give_is_hardly_ever_there():
    """Half of the items show most workers a label that none of them has: that is no label that has vanished."""
    rng = np.random.default_rng(3)
    truth = np.zeros(300, dtype=int)
    truth[:20] = 1
    item = np.repeat(np.arange(300), 7)
    worker = np.concatenate([rng.permutation(20)[:7] for _ in range(300)])
    decoy = np.arange(300) >= 150
    label = (rng.random(item.size) < np.where(truth[item] == 1, 0.95, np.where(decoy[item], 0.7, 0.1))).astype(int)
    table = LabelTable.from_arrays(item, worker, label, n_labels=2)
    clamp = Clamp.from_gold(np.where(np.arange(300) % 5 == 0, truth, -1), 300, 2)
    assert vanished.vanished(table, Clamp.from_gold(None, 300, 2), truth).tolist() == [1]
    assert not vanished.vanished(table, clamp, truth).size


def test_a_model_with_many_cells_has_no_time_for_subtypes_whatever_restarts_are_asked_for(monkeypatch):
    table, _ = simulate(n_items=20)
    both, one = [1, 3], [1]
    assert [model["subtypes"] for model in aggregate(table, "auto", restarts=2).params["pool"]] == both
    monkeypatch.setattr(auto, "HUGE_MODEL", 100)
    assert [model["subtypes"] for model in aggregate(table, "auto", restarts=2).params["pool"]] == one


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


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 200), st.floats(1e-6, 3.0), st.booleans(), st.integers(0, 2**32 - 1))
def test_no_mixture_foresees_better_than_the_one_that_stacking_finds(n_models, n_answers, spread, alike, seed):
    """By how much one could is at most what the best model gains where the mixture stands: the score is concave."""
    rng = np.random.default_rng(seed)
    foreseen = np.exp(-rng.exponential(spread, size=(n_models, n_answers)))
    foreseen[1:2] = foreseen[:1] if alike else foreseen[1:2]
    weights = stack(foreseen)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    assert (foreseen / (weights @ foreseen)).mean(axis=1).max() <= 1 + 1e-8


def test_stacking_finds_the_mixture():
    rng = np.random.default_rng(0)
    first, second = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    answers = np.where(rng.random(20_000) < 0.7, rng.random(20_000) < first[1], rng.random(20_000) < second[1])
    np.testing.assert_allclose(
        stack(np.stack([first[answers.astype(int)], second[answers.astype(int)]]))[0], 0.7, atol=0.03
    )


@pytest.mark.parametrize("method", ["bcc", "hierarchical", "one_coin", "mace"])
def test_strides_end_where_steps_do_and_sooner(method, monkeypatch):
    table, _ = simulate(n_items=300, n_workers=20, n_labels=2, accuracy=(0.5, 0.75))
    plain = aggregate(table, method, tol=1e-8)
    monkeypatch.setattr(squarem, "LARGE", table.n_answers)
    strided = aggregate(table, method, tol=1e-8)
    assert strided.converged
    assert strided.n_iter < plain.n_iter / 2
    assert (np.diff(strided.objective) >= -1e-9).all()
    np.testing.assert_allclose(strided.posterior, plain.posterior, atol=1e-4)


def test_auto_keeps_its_floor_on_crowds_made_up():
    """Of items that are hard for all or mislead, where maximum likelihood falls below majority vote by points."""
    below = {"auto": [], "maximum_likelihood": []}
    for kind in ("hard", "misled"):
        for seed in range(6):
            table, truth = crowd(kind, seed)
            floor = metrics.accuracy(aggregate(table, "majority").posterior, truth)
            for method, gaps in below.items():
                gaps.append(metrics.accuracy(aggregate(table, method).posterior, truth) - floor)
    assert min(below["auto"]) >= -0.01
    assert min(below["maximum_likelihood"]) < -0.02


def test_labels_are_not_split_where_answers_cannot_tell_subtypes_apart_unless_it_is_asked_for():
    table, truth = simulate(n_items=40, n_workers=10, n_labels=40, per_item=5, accuracy=(0.8, 0.95))
    few = aggregate(table, "ebcc")
    assert (few.params["subtypes"], (few.labels == truth).all()) == (1, True)
    assert aggregate(table, "ebcc", subtypes=2, restarts=1, max_iter=2).params["subtypes"] == 2
    more = simulate(n_items=400, n_workers=10, n_labels=10, per_item=5)[0]
    assert aggregate(more, "ebcc", restarts=1, max_iter=2).params["subtypes"] == 2
