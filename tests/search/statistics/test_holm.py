import numpy as np
import pytest

from search.statistics.holm import holm


def test_a_worked_example() -> None:
    # 0.01 * 4, 0.013 * 3 (not below the one before), 0.04 * 2, 0.9.
    assert holm([0.04, 0.01, 0.9, 0.013]) == pytest.approx([0.08, 0.04, 0.9, 0.04])


def test_adjusted_values_reject_what_the_stepwise_procedure_rejects() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        p_values = random.random(6) ** 3
        rejected = set()
        for step, index in enumerate(np.argsort(p_values)):
            if p_values[index] > 0.05 / (6 - step):
                break
            rejected.add(int(index))
        assert {i for i, p in enumerate(holm(p_values)) if p <= 0.05} == rejected


def test_none_exceeds_one_and_nothing_stays_nothing() -> None:
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
