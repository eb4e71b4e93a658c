"""L1 that sets in after some epochs, as it was switched on in the seventh MAMe experiment."""

import pytest
import torch

from mame_cnn.cohorts.cohort import Cohort
from tests.mame_cnn.factory import make_config, make_data

DATA = make_data()


def states(cohort: Cohort, n_epochs: int) -> list[dict[str, torch.Tensor]]:
    found = []
    for _ in range(n_epochs):
        cohort.train_epoch()
        found.append(cohort.member_state(0))
    return found


def is_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_until_then_training_is_that_without_l1() -> None:
    late = states(Cohort([make_config(l1=0.01, l2=0.1, l1_after_epochs=2)], [0], DATA), 3)
    without = states(Cohort([make_config(l2=0.1)], [0], DATA), 3)
    assert is_equal(late[0], without[0])
    assert is_equal(late[1], without[1])
    assert not is_equal(late[2], without[2])


def test_from_then_on_the_penalty_counts_it() -> None:
    config = make_config(l1=0.01, l2=0.1, l1_after_epochs=1)
    cohort = Cohort([config], [0], DATA)
    for l1 in (0.0, 0.01):
        [result] = cohort.train_epoch()
        kernels = [
            value
            for name, value in cohort.member_state(0).items()
            if name.endswith("weight") and value.ndim > 1 and "output" not in name
        ]
        assert len(kernels) == 3
        expected = sum(
            (l1 if kernel.ndim == 4 else 0) * kernel.abs().sum()
            + (0.1 if kernel.ndim == 4 else 0) * kernel.square().sum()
            for kernel in kernels
        )
        assert result.penalty == pytest.approx(float(expected))


def test_members_begin_it_each_in_its_own_epoch_as_alone() -> None:
    configs = [make_config(l1=0.01, l1_after_epochs=after) for after in (0, 1, 9)]
    together = Cohort(configs, [0, 1, 2], DATA)
    together.train_epoch()
    together.train_epoch()
    for key, config in enumerate(configs):
        alone = Cohort([config], [key], DATA)
        alone.train_epoch()
        alone.train_epoch()
        expected = alone.member_state(key)
        for name, value in together.member_state(key).items():
            torch.testing.assert_close(value, expected[name])


def test_a_member_that_goes_on_is_as_far_with_it_as_before() -> None:
    config = make_config(l1=0.01, l1_after_epochs=1)
    whole = Cohort([config], [0], DATA)
    whole.train_epoch()
    snapshot = whole.snapshot(0)
    whole.train_epoch()
    went_on = Cohort([config], [0], DATA, snapshots=[snapshot])
    went_on.train_epoch()
    assert is_equal(whole.member_state(0), went_on.member_state(0))
