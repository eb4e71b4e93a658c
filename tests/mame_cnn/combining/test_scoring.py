import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from mame_cnn.combining.scoring import best_first, is_right, losses
from tests.mame_cnn.combining.made_up import members


def test_scores_equal_those_of_scikit_learn_even_for_a_probability_of_0() -> None:
    probs, labels = members(np.array([1.0, 2.0]), 60, 3)
    probs[0, 0] = np.eye(3)[labels[0] - 1]
    for member, right, loss in zip(
        probs, is_right(probs, labels), losses(probs, labels), strict=True
    ):
        assert right.mean() == accuracy_score(labels, member.argmax(1))
        assert loss.mean() == pytest.approx(log_loss(labels, member))


def test_most_right_come_first_then_least_loss_then_the_given_order() -> None:
    assert best_first(np.array([5, 7, 7, 5, 7]), np.array([0.1, 3, 2, 0.1, 2])).tolist() == [
        *(2, 4, 1),
        *(0, 3),
    ]
