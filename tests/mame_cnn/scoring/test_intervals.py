import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from mame_cnn.scoring.intervals import intervals, wilson
from mame_cnn.scoring.scores import scores
from tests.mame_cnn.scoring.test_scores import random_answers


@pytest.mark.parametrize(
    ("n_correct", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_shares_have_the_intervals_of_the_literature(
    n_correct: int, n: int, low: float, high: float
) -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    found = wilson(n_correct, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_is_the_root_of_the_score_equation() -> None:
    z, share, n = 1.959963984540054, 0.7, 1450
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    found = wilson(1015, n)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))


def test_bootstrap_intervals_are_those_of_drawing_each_class_s_images_anew() -> None:
    probs, labels = random_answers(n=200, n_classes=4)
    predicted = probs.argmax(1)
    random = np.random.default_rng(1)
    drawn: dict[str, list[float]] = {"macro_f1": [], "balanced_accuracy": [], "log_loss": []}
    of_class = [np.flatnonzero(labels == k) for k in range(4)]
    for _ in range(600):
        chosen = np.concatenate([random.choice(own, len(own)) for own in of_class])
        true, said = labels[chosen], predicted[chosen]
        drawn["macro_f1"].append(f1_score(true, said, average="macro", zero_division=0))
        drawn["balanced_accuracy"].append(balanced_accuracy_score(true, said))
        drawn["log_loss"].append(log_loss(true, probs[chosen], labels=range(4)))
    found = intervals(probs, labels)
    for name, values in drawn.items():
        low, high = np.quantile(values, [0.025, 0.975])
        width = high - low
        assert found[name].low == pytest.approx(low, abs=width / 8), name
        assert found[name].high == pytest.approx(high, abs=width / 8), name


def test_every_score_lies_in_its_interval_and_only_the_calibration_error_has_none() -> None:
    probs, labels = random_answers()
    found, ends = scores(probs, labels), intervals(probs, labels)
    names = set(vars(found)) - {"n_images", "calibration_error"}
    assert set(ends) == names
    for name in names:
        assert ends[name].low < getattr(found, name) < ends[name].high, name


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    probs, labels = random_answers()
    assert intervals(probs, labels, seed=3) == intervals(probs, labels, seed=3)
    assert intervals(probs, labels, seed=3) != intervals(probs, labels, seed=4)


def test_a_class_without_images_does_not_disturb() -> None:
    probs = np.eye(3)[[0, 0, 1, 1]] * 0.7 + 0.1
    found = intervals(probs, np.array([0, 0, 1, 1]))
    balanced = found["balanced_accuracy"]
    assert balanced.low < balanced.high == 1
    assert found["macro_recall"].low < 2 / 3 <= found["macro_recall"].high


def test_a_score_without_errors_is_not_certain() -> None:
    labels = np.repeat(np.arange(4), 25)
    found = intervals(np.eye(4)[labels] * 0.6 + 0.1, labels)
    assert found["weighted_recall"] == found["accuracy"]
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_precision"):
        assert 0.9 < found[name].low < 0.99, name
        assert found[name].high == 1, name


def test_intervals_of_few_images_a_class_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    n_classes, recall, n_draws = 29, 0.7, 60
    labels = np.repeat(np.arange(n_classes), 2)
    n_held = 0
    for _ in range(n_draws):
        others = (labels + random.integers(1, n_classes, len(labels))) % n_classes
        answers = np.where(random.random(len(labels)) < recall, labels, others)
        probs = np.eye(n_classes)[answers] * 0.5 + 0.5 / n_classes
        held = intervals(probs, labels)["balanced_accuracy"]
        n_held += held.low <= recall <= held.high
    assert n_held >= 52  # of 95 %, in all but one case of a hundred; not smoothed 77 %
