import numpy as np
import pytest

from commands.errors import UserError
from mame_cnn.combining import out_of_fold
from mame_cnn.combining.combiners import COMBINERS
from mame_cnn.combining.out_of_fold import compare, corrected_for_choosing
from tests.mame_cnn.combining.made_up import accuracy, members


def test_nothing_is_gained_by_fitting_noise_though_it_looks_so_on_the_images_fitted_on() -> None:
    probs, labels = members(np.zeros(20), 300, 3, seed=1, noise=2)
    comparison = compare(probs, labels, seed=0)
    above_chance = 2.5 * np.sqrt(1 / 3 * 2 / 3 / 300)
    for row in comparison.rows:
        assert abs(row.accuracy - 1 / 3) < above_chance, row
    assert corrected_for_choosing([comparison], None, seed=0) - 1 / 3 < above_chance
    looks = []
    for name in ("single", "greedy", "ridge", "logistic"):
        fitted = COMBINERS[name](probs, labels, np.random.default_rng(0)).combine(probs)
        looks.append(accuracy(fitted, labels))
        assert looks[-1] > comparison.row(name).accuracy, name
    assert max(looks) - 1 / 3 > above_chance


def test_members_that_err_apart_gain_over_the_best_one_and_the_interval_says_so() -> None:
    probs, labels = members(np.full(6, 1.2), 400, 4)
    comparison = compare(probs, labels, seed=0)
    assert comparison.beats_single
    winner = comparison.row(comparison.winner)
    assert winner.accuracy == max(row.accuracy for row in comparison.rows)
    assert winner.gain == pytest.approx(winner.accuracy - comparison.row("single").accuracy)
    assert 0 < winner.gain_low < winner.gain < winner.gain_high
    corrected = corrected_for_choosing([comparison], None, seed=0)
    assert comparison.row("single").accuracy < corrected <= winner.accuracy + 0.01


def test_a_member_that_is_always_right_is_beaten_by_none() -> None:
    probs, labels = members(np.array([0.0, 60.0, 0.0]), 60, 3, noise=6)
    comparison = compare(probs, labels, seed=0, names=("mean", "geometric"))
    assert [row.name for row in comparison.rows] == ["single", "mean", "geometric"]
    assert comparison.row("single").accuracy == 1
    assert not comparison.beats_single


def test_one_member_ends_in_a_tie_that_the_simplest_wins() -> None:
    probs, labels = members(np.array([1.0]), 60, 3)
    comparison = compare(probs, labels, seed=0, names=("mean", "greedy"))
    assert comparison.winner == "single"
    assert [row.gain for row in comparison.rows] == [0, 0, 0]
    assert np.allclose(comparison.probs["greedy"], probs[0])


def test_no_combiner_sees_the_images_that_it_speaks_of(monkeypatch: pytest.MonkeyPatch) -> None:
    probs, labels = members(np.array([1.0, 1.0]), 50, 5)
    # A member's certainty is the image's mark, by which a combiner knows what it was given.
    marks = {float(value): image for image, value in enumerate(probs[0, :, 0])}
    assert len(marks) == 50
    spoken: list[int] = []

    class Spy:
        name, n_members = "mean", 2

        def __init__(self, given: np.ndarray) -> None:
            self.seen = {marks[value] for value in given[0, :, 0].tolist()}

        def combine(self, asked: np.ndarray) -> np.ndarray:
            now = {marks[value] for value in asked[0, :, 0].tolist()}
            assert not now & self.seen
            assert len(now | self.seen) == 50
            spoken.extend(now)
            return np.asarray(asked[0])

    spies = {name: lambda given, labels, rng: Spy(given) for name in ("single", "mean")}
    monkeypatch.setattr(out_of_fold, "COMBINERS", spies)
    monkeypatch.setattr(out_of_fold, "checked", lambda probs, labels: (probs, labels))
    comparison = compare(probs, labels, seed=0, names=("mean",))
    assert sorted(spoken) == sorted(list(range(50)) * 2 * comparison.n_repeats)


def test_figures_depend_on_the_seed_alone_not_on_which_others_are_asked_for() -> None:
    probs, labels = members(np.array([0.8, 1.0, 1.2]), 60, 3)
    whole = compare(probs, labels, seed=5)
    part = compare(probs, labels, seed=5, names=("greedy",))
    other = compare(probs, labels, seed=6, names=("greedy",))
    assert part.row("greedy") == whole.row("greedy")
    assert (part.probs["greedy"] == whole.probs["greedy"]).all()
    assert (part.probs["greedy"] != other.probs["greedy"]).any()


def test_probabilities_kept_are_distributions_in_the_order_of_the_images() -> None:
    probs, labels = members(np.array([9.0, 9.0]), 30, 3)
    for name, kept in compare(probs, labels, seed=0).probs.items():
        assert np.allclose(kept.sum(1), 1), name
        assert accuracy(kept, labels) == 1, name


def test_there_are_as_many_folds_as_the_smallest_class_has_images_but_five_at_most() -> None:
    probs, _ = members(np.array([1.0, 1.0]), 30, 2)
    few = np.array([0] * 28 + [1] * 2)
    assert compare(probs, few, seed=0).n_folds == 2
    assert compare(probs, np.arange(30) % 2, seed=0, names=()).n_folds == 5


def test_classes_of_one_image_or_none_are_refused_by_name() -> None:
    probs, _ = members(np.array([1.0]), 6, 4)
    labels = np.array([0, 0, 1, 2, 2, 2])
    with pytest.raises(UserError, match=r"at least 2 .*: Oil has 1, Ink has 0"):
        compare(probs, labels, seed=0, classes=["Gold", "Oil", "Wood", "Ink"])
    with pytest.raises(UserError, match="class 1 has 1, class 3 has 0"):
        compare(probs, labels, seed=0)


def test_unknown_combiners_and_faulty_probabilities_are_refused() -> None:
    probs, labels = members(np.array([1.0]), 6, 2)
    with pytest.raises(UserError, match="no such combiner: vote; there are single, mean"):
        compare(probs, labels, seed=0, names=("vote",))
    with pytest.raises(UserError, match="do not sum to 1"):
        compare(2 * probs, labels, seed=0)
