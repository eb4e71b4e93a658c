import math
import time
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest

from commands.errors import UserError
from search.comparing.comparison import Comparison, Predicted, compare
from search.comparing.comparison_text import pair_sentence, sentences
from search.files.predictions import Predictions
from search.statistics.bootstrap import bootstrap
from search.statistics.holm import holm
from search.statistics.mcnemar import mcnemar
from search.statistics.winner import corrected_accuracy

N = 100
LABELS = np.arange(N) % 4


def predicted(
    wrong: Collection[int], number: int, study: str = "a", *, labels: np.ndarray = LABELS
) -> Predicted:
    """Return a trial that misclassifies just these images."""
    answers = np.where(np.isin(np.arange(len(labels)), list(wrong)), (labels + 1) % 4, labels)
    probs = np.where(np.eye(4, dtype=bool)[answers], 0.7, 0.1)
    value = 1 - len(wrong) / len(labels)
    return Predicted(study, number, value, Predictions(probs, labels, epoch=1))


def many(n_trials: int, n_images: int, n_classes: int, study: str = "a") -> list[Predicted]:
    random = np.random.default_rng(0)
    labels = np.arange(n_images) % n_classes
    trials = []
    for number in range(n_trials):
        probs = random.random((n_images, n_classes)).astype(np.float16)
        probs[np.arange(n_images), labels] += 0.8
        probs /= probs.sum(1, keepdims=True)
        predictions = Predictions(probs, labels, epoch=1)
        trials.append(Predicted(study, number, 1 - predictions.is_wrong.mean(), predictions))
    return trials


def order(comparison: Comparison) -> list[int]:
    return [row.number for row in comparison.rows]


def test_trials_are_ranked_by_accuracy_and_equal_ones_by_number() -> None:
    found = compare(
        [predicted(range(30), 0), predicted(range(50, 60), 3), predicted(range(10), 2)]
    )
    assert order(found) == [2, 3, 0]
    assert [row.accuracy for row in found.rows] == pytest.approx([0.9, 0.9, 0.7])
    assert (found.best.study, found.best.number, found.n_images) == ("a", 2, N)


def test_the_order_given_changes_nothing() -> None:
    trials = many(6, 80, 4)
    assert compare(trials[::-1]) == compare(trials)


def test_p_values_are_mcnemars_against_the_best_adjusted_for_their_number() -> None:
    found = compare([predicted(range(10), 0), predicted(range(5, 30), 1), predicted(range(60), 2)])
    # Against trial 0: 1 alone has 0 to 4 right and 10 to 29 wrong; 2 has 10 to 59 wrong.
    expected = holm([mcnemar(20, 5), mcnemar(50, 0)])
    assert [row.p_value for row in found.rows] == pytest.approx([1.0, *expected])
    assert [row.is_in_best_set for row in found.rows] == [True, False, False]
    assert [row.number for row in found.best_set] == [0]


def test_a_trial_that_hardly_differs_from_the_best_is_in_its_set() -> None:
    found = compare([predicted(range(10), 0), predicted(range(12), 1), predicted(range(60), 2)])
    assert [row.number for row in found.best_set] == [0, 1]


def test_differences_are_to_the_best_and_inside_their_intervals() -> None:
    found = compare([predicted(range(10), 0), predicted(range(5, 30), 1), predicted(range(10), 2)])
    best, same, worse = found.rows
    assert (best.difference, best.difference_low, best.difference_high) == (0, 0, 0)
    assert same.difference_low < same.difference == 0 < same.difference_high
    assert worse.difference == pytest.approx(-0.15)
    assert worse.difference_low < -0.15 < worse.difference_high < 0
    assert best.low < best.accuracy < best.high


def test_the_corrected_winner_is_worth_less_than_it_looks() -> None:
    found = compare(many(30, 200, 4))
    assert found.corrected < found.best.accuracy
    assert found.corrected_low < found.corrected < found.corrected_high


def test_trials_equal_in_a_resample_are_told_by_number_not_by_rank() -> None:
    # By rank the images outside would help to choose, and the choice would be flattered.
    trials = many(20, 30, 4)
    is_right = np.stack([~trial.predictions.is_wrong for trial in trials])
    assert compare(trials).corrected == corrected_accuracy(bootstrap(is_right, 0), range(20))


def test_the_first_two_tell_how_many_images_and_seeds_they_need() -> None:
    found = compare([predicted(range(10), 0), predicted(range(5, 18), 1), predicted(range(60), 2)])
    assert found.discordance == pytest.approx(0.13)
    # (1.96 sqrt(0.13) + 0.84 sqrt(0.13 - 0.03^2))^2 / 0.03^2
    assert found.images_needed == 1132
    assert found.seeds_needed == 13


def test_equally_accurate_trials_are_told_by_no_number_of_images() -> None:
    found = compare([predicted(range(10), 0), predicted(range(20, 30), 1)])
    assert (found.images_needed, found.seeds_needed) == (None, None)
    assert "equally accurate" in " ".join(sentences(found))


def test_a_better_phase_is_told_from_the_one_before() -> None:
    trials = [
        *(predicted(range(start, start + 40), start, "capacity") for start in range(4)),
        *(predicted(range(start, start + 15), start, "regularization") for start in range(4)),
    ]
    [pair] = compare(trials).pairs
    assert (pair.earlier, pair.later, pair.n_earlier, pair.n_later) == (
        *("capacity", "regularization"),
        *(4, 4),
    )
    assert pair.difference == pytest.approx(0.25)
    assert pair.low < 0.25 < pair.high
    assert pair.p_value < 0.001
    assert pair.is_better
    assert not pair.is_worse
    # The other way round it is the same, mirrored.
    [mirrored] = compare([*trials[4:], *trials[:4]]).pairs
    assert mirrored.is_worse
    assert mirrored.corrected == pytest.approx(-pair.corrected)


def test_no_study_did_better_whose_best_cannot_be_told_by_its_test() -> None:
    trials = [
        *(predicted(range(start, start + 40), start, "capacity") for start in range(4)),
        *(predicted(range(start, start + 15), start, "regularization") for start in range(4)),
    ]
    [pair] = compare(trials).pairs
    unsure = replace(pair, p_value=0.12)
    assert pair.is_better
    assert not unsure.is_better
    assert "cannot be told from" in pair_sentence(unsure)


def test_the_best_of_many_does_not_beat_the_best_of_few_by_number_alone() -> None:
    trials = many(52, 200, 4)
    few = [Predicted("few", t.number, t.value, t.predictions) for t in trials[:2]]
    [pair] = compare([*few, *trials[2:]]).pairs
    assert pair.difference > 0
    assert pair.corrected < pair.difference
    assert not pair.is_better


def test_every_study_is_held_against_all_before_it() -> None:
    trials = [predicted(range(10), 0, study) for study in ("c", "a", "b")]
    pairs = [(pair.earlier, pair.later) for pair in compare(trials).pairs]
    assert pairs == [("c", "a"), ("c", "b"), ("a", "b")]


def test_one_trial_has_an_interval_and_nothing_to_be_compared_with() -> None:
    found = compare([predicted(range(10), 4)])
    assert (found.best.accuracy, found.discordance, found.images_needed) == (0.9, None, None)
    assert found.corrected == pytest.approx(0.9, abs=0.005)
    assert sentences(found)[-1] == "There is no other trial with predictions to compare it with."


def test_what_cannot_be_compared_is_left_out_and_named() -> None:
    nan = predicted(range(9), 1)
    nan.predictions.probs[3, 0] = math.nan
    no_value = Predicted("a", 2, math.nan, predicted((), 2).predictions)
    other = predicted((), 3, labels=(LABELS + 1) % 4)
    found = compare(
        [predicted(range(10), 0), nan, no_value, other, predicted(range(20), 5)], notes=["before"]
    )
    assert order(found) == [0, 5]
    assert found.notes[:3] == (
        "before",
        "study a: left out, its probabilities are not all finite: trial 1",
        "study a: left out, its value is nan: trial 2",
    )
    assert "its labels are others" in found.notes[3]
    assert found.notes[3].endswith(": trial 3")


def test_a_value_that_is_not_that_of_the_predictions_is_told() -> None:
    trial = predicted(range(10), 0)
    found = compare([Predicted("a", 0, 0.8, trial.predictions), predicted(range(20), 1)])
    assert order(found) == [0, 1]
    assert "differs from the accuracy of the kept predictions" in found.notes[0]
    assert found.notes[0].endswith(": trial 0")


def test_studies_of_other_labels_are_refused_with_both_digests() -> None:
    trials = [predicted((), 0, "a"), predicted((), 0, "b", labels=LABELS[::-1].copy())]
    with pytest.raises(UserError, match=r"a has [0-9a-f]{12}, b has [0-9a-f]{12}"):
        compare(trials)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(UserError, match="no trial can be compared"):
        compare([])
    with pytest.raises(UserError, match="fewer than 2 images: trial 0"):
        compare([predicted((), 0, labels=LABELS[:1])])


def test_trials_that_are_always_right_need_no_error() -> None:
    found = compare([predicted((), 0), predicted((), 1)])
    assert (found.corrected, found.best.high) == (1, 1)
    assert len(found.best_set) == 2


@pytest.mark.slow
def test_500_trials_on_mames_validation_images_take_seconds() -> None:
    trials = many(500, 1450, 29)
    begin_s = time.process_time()
    found = compare(trials)
    assert len(found.rows) == 500
    # A generous bound on processor time: a resample at a time it would be minutes.
    assert time.process_time() - begin_s < 30
