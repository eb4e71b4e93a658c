"""Averages of weights against the recurrence written out, alone and inside a training."""

from itertools import pairwise

import pytest
import torch

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.weight_average import WeightAverage
from tests.mame_cnn.factory import make_config, make_data

DATA = make_data(n_train=26, n_val=12)


def expected(values: list[torch.Tensor], decay: float) -> torch.Tensor:
    average = values[0]
    for n, value in enumerate(values[1:], start=1):
        kept = min(decay, (1 + n) / (10 + n))
        average = kept * average + (1 - kept) * value
    return average


def test_averages_follow_the_recurrence_each_with_its_own_decay() -> None:
    values = torch.randn(30, 2, 5, generator=torch.Generator().manual_seed(0)).double()
    tensors = [values[0].clone()]
    average = WeightAverage(tensors)
    for value in values[1:]:
        tensors[0].copy_(value)
        average.update(tensors, torch.tensor([0.5, 0.99], dtype=torch.float64))
    with average.in_place_of(tensors):
        for member, decay in enumerate((0.5, 0.99)):
            torch.testing.assert_close(
                tensors[0][member], expected([*values[:, member]], decay), rtol=0, atol=1e-12
            )
    torch.testing.assert_close(tensors[0], values[-1], rtol=0, atol=0)


def test_early_averages_forget_the_first_weights() -> None:
    start = torch.zeros(1, 1, dtype=torch.float64)
    average = WeightAverage([start])
    average.update([torch.ones(1, 1, dtype=torch.float64)], torch.tensor([0.999]).double())
    with average.in_place_of([start]):
        assert start.item() == pytest.approx(1 - 2 / 11)


def test_a_training_is_validated_and_kept_with_averaged_weights_and_statistics() -> None:
    averaging = make_config(ema_decay=0.8, lr=0.01)
    averaged = Cohort([averaging], [0], DATA)
    averaged_result = averaged.train_epoch()[0]

    plain = Cohort([make_config(lr=0.01)], [0], DATA)
    states = [plain.member_state(0)]
    for step in plain.prepare_epoch().steps:
        plain.train_steps([step])
        states.append(plain.member_state(0))
    wanted = {name: expected([state[name] for state in states], 0.8) for name in states[0]}

    kept = averaged.member_state(0)
    for name, tensor in wanted.items():
        torch.testing.assert_close(kept[name], tensor, rtol=0, atol=1e-10)
    assert any((a[name] != b[name]).any() for a, b in pairwise(states) for name in a)
    plain.network.load_member_state(0, wanted)
    accuracy = (plain.logits(DATA.val)[0].argmax(-1) == DATA.val.labels).double().mean()
    assert averaged_result.val_accuracy == accuracy.item()


def test_training_goes_on_from_the_weights_not_from_their_average() -> None:
    with_average = Cohort([make_config(ema_decay=0.9)], [0], DATA)
    without = Cohort([make_config()], [0], DATA)
    for _ in range(2):
        losses = [cohort.train_epoch()[0].train_loss for cohort in (with_average, without)]
    assert losses[0] == losses[1]
