import numpy as np
import pytest

from commands.errors import UserError
from mame_cnn.combining.combination import Weighted
from mame_cnn.combining.combiners import COMBINERS
from tests.mame_cnn.combining.made_up import members


def test_the_best_member_is_the_most_accurate_then_the_least_wrong_then_the_first() -> None:
    def chosen(*rows: list[list[float]]) -> tuple[float, ...]:
        combination = COMBINERS["single"](
            np.array(rows), np.array([0, 1]), np.random.default_rng(0)
        )
        assert isinstance(combination, Weighted)
        return combination.weights

    half_right = [[0.99, 0.01], [0.51, 0.49]]
    unsure = [[0.6, 0.4], [0.4, 0.6]]
    sure = [[0.9, 0.1], [0.1, 0.9]]
    assert chosen(half_right, unsure) == (0, 1)
    assert chosen(unsure, half_right, sure) == (0, 0, 1)
    assert chosen(half_right, sure, sure) == (0, 1, 0)


@pytest.mark.parametrize("name", COMBINERS)
def test_a_combiner_gives_the_same_for_the_same_seed_and_bears_its_name(name: str) -> None:
    probs, labels = members(np.array([0.5, 1.0, 1.5, 1.0]), 60, 3)
    one, same = (COMBINERS[name](probs, labels, np.random.default_rng(3)) for _ in range(2))
    assert one == same
    assert one.name == name
    assert one.n_members == 4


@pytest.mark.parametrize("name", sorted(COMBINERS.keys() - {"mean", "geometric"}))
def test_a_combiner_that_is_fitted_refuses_nan(name: str) -> None:
    with pytest.raises(UserError, match=r"member 2: .* NaN"):
        COMBINERS[name](
            np.array([[[0.5, 0.5]] * 4, [[np.nan, 0.5]] * 4]),
            np.array([0, 1, 0, 1]),
            np.random.default_rng(0),
        )
