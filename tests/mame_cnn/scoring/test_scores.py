import warnings

import numpy as np
import pytest
from sklearn import metrics

from commands.errors import UserError
from mame_cnn.scoring.scores import Floats, Integers, expected_calibration_error, scores


def random_answers(n: int = 300, n_classes: int = 6, seed: int = 0) -> tuple[Floats, Integers]:
    random = np.random.default_rng(seed)
    labels = random.choice(n_classes, n, p=random.dirichlet([2] * n_classes))
    probs = random.dirichlet([0.5] * n_classes, n)
    probs[np.arange(n), labels] += 0.1
    return probs / probs.sum(1, keepdims=True), labels


@pytest.mark.parametrize("seed", range(3))
def test_every_score_equals_that_of_scikit_learn(seed: int) -> None:
    probs, labels = random_answers(seed=seed)
    predicted = probs.argmax(1)
    found = scores(probs, labels)
    assert found.n_images == 300
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    balanced = metrics.balanced_accuracy_score(labels, predicted)
    assert found.balanced_accuracy == pytest.approx(balanced)
    for average in ("macro", "weighted"):
        expected = metrics.precision_recall_fscore_support(
            labels, predicted, average=average, labels=range(6), zero_division=0
        )
        figures = [getattr(found, f"{average}_{name}") for name in ("precision", "recall", "f1")]
        assert figures == pytest.approx(list(expected[:3]))
    top = metrics.top_k_accuracy_score(labels, probs, k=3, labels=range(6))
    assert found.top3_accuracy == pytest.approx(top)
    assert found.log_loss == pytest.approx(metrics.log_loss(labels, probs, labels=range(6)))


def test_classes_without_images_or_never_predicted_count_as_scikit_learn_counts_them() -> None:
    labels = np.array([0, 0, 1, 1])
    probs = np.eye(4)[[0, 2, 0, 0]] * 0.7 + 0.075  # class 3: neither there nor said
    found = scores(probs, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # class 2 is predicted but not there
        expected = metrics.balanced_accuracy_score(labels, probs.argmax(1))
    assert found.balanced_accuracy == expected == 0.25
    assert found.macro_recall == 0.5 / 4


def test_the_micro_means_are_the_accuracy() -> None:
    probs, labels = random_answers()
    expected = metrics.f1_score(labels, probs.argmax(1), average="micro")
    assert scores(probs, labels).accuracy == pytest.approx(expected)


def test_a_true_class_among_the_three_most_probable_counts_for_the_top() -> None:
    probs = np.array([[0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1]])
    assert scores(probs, np.array([2, 3])).top3_accuracy == 0.5


def test_two_classes_are_always_among_the_top_three() -> None:
    assert scores(np.array([[0.9, 0.1]]), np.array([1])).top3_accuracy == 1


def test_a_true_class_of_probability_0_costs_much_but_not_everything() -> None:
    found = scores(np.array([[1.0, 0.0]]), np.array([1])).log_loss
    assert found == pytest.approx(52 * np.log(2))


def test_the_calibration_error_is_that_of_a_loop_over_bins() -> None:
    probs, labels = random_answers()
    confidence, is_correct = probs.max(1), probs.argmax(1) == labels
    expected = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            gap = abs(is_correct[inside].mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    assert expected > 0.05
    assert expected_calibration_error(probs, labels) == pytest.approx(expected)


def test_a_sure_and_right_answer_is_calibrated_and_a_sure_and_wrong_one_is_not() -> None:
    sure = np.array([[1.0, 0.0]])
    assert expected_calibration_error(sure, np.array([0])) == 0
    assert expected_calibration_error(sure, np.array([1])) == 1


@pytest.mark.parametrize(
    ("probs", "labels", "expected"),
    [
        ([[0.5, 0.5], [np.nan, 1.0]], [0, 1], "1 of 2 rows are no probabilities.* row 1"),
        ([[0.7, 0.7]], [0], "sum 1.4"),
        ([[-0.5, 1.5]], [0], "rows are no probabilities"),
        ([[0.5, 0.5]], [2], "labels: 2 is outside of 0 to 1"),
        ([[0.5, 0.5]], [0, 1], r"shape \(1, 2\) for 2 labels"),
        (np.empty((0, 2)), [], "at least one image"),
    ],
)
def test_what_is_no_probabilities_is_refused(
    probs: list[list[float]], labels: list[int], expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        scores(np.array(probs), np.array(labels, dtype=int))
