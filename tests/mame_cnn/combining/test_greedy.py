from itertools import combinations_with_replacement

import numpy as np
import pytest
from sklearn.metrics import log_loss

from mame_cnn.combining.greedy import best_selection, greedy, selection_path
from mame_cnn.combining.members import Labels, Probs
from tests.mame_cnn.combining.made_up import accuracy, members


def score(probs: Probs, labels: Labels, multiset: tuple[int, ...]) -> tuple[float, float]:
    combined = probs[list(multiset)].mean(0)
    return accuracy(combined, labels), -log_loss(labels, combined)


def contains(multiset: tuple[int, ...], smaller: list[int]) -> bool:
    left = list(multiset)
    for member in smaller:
        if member not in left:
            return False
        left.remove(member)
    return True


@pytest.mark.parametrize("seed", range(6))
def test_each_step_is_the_best_of_all_multisets_that_contain_the_step_before(seed: int) -> None:
    probs, labels = members(np.linspace(0.3, 1.2, 4), 40, 3, seed)
    n_steps = 5
    path, n_right, losses = selection_path(probs, labels, n_steps)
    for size in range(1, n_steps + 1):
        reachable = [
            multiset
            for multiset in combinations_with_replacement(range(4), size)
            if contains(multiset, path[: size - 1])
        ]
        best = max(reachable, key=lambda multiset: score(probs, labels, multiset))
        assert sorted(path[:size]) == list(best)
        assert (n_right[size - 1] / 40, -losses[size - 1]) == pytest.approx(
            score(probs, labels, best)
        )
    stops = [score(probs, labels, tuple(path[:size])) for size in range(1, n_steps + 1)]
    chosen = best_selection(probs, labels, n_steps)
    assert chosen == path[: stops.index(max(stops)) + 1]


def test_two_members_that_mend_each_other_are_chosen_and_a_useless_one_is_not() -> None:
    # Three images of class 0, 1, 0: the first is right about two, the second mends the third,
    # and the last is sure and wrong about everything.
    labels = np.array([0, 1, 0])
    probs = np.array(
        [
            [[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]],
            [[0.6, 0.4], [0.6, 0.4], [0.9, 0.1]],
            [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]],
        ]
    )
    chosen = best_selection(probs, labels, 10)
    assert chosen[:2] == [0, 1]
    assert 2 not in chosen
    assert accuracy(probs[chosen].mean(0), labels) == 1


def test_equal_accuracy_is_decided_by_log_loss() -> None:
    probs = np.array([[[0.6, 0.4]], [[0.9, 0.1]], [[0.7, 0.3]]])
    assert selection_path(probs, np.array([0]), 1)[0] == [1]


def test_a_member_better_than_the_rest_together_gets_the_most_weight() -> None:
    probs, labels = members(np.array([0.2, 0.2, 3.0, 0.2, 0.2, 0.2]), 200, 4)
    weights = greedy(probs, labels, np.random.default_rng(0)).weights
    assert max(range(6), key=weights.__getitem__) == 2
    assert sum(weights) == pytest.approx(1)


def test_one_member_alone_gets_all_the_weight() -> None:
    probs, labels = members(np.array([1.0]), 20, 2)
    assert greedy(probs, labels, np.random.default_rng(0)).weights == (1.0,)
