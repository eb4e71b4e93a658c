import math
import warnings
from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler

from mame_cnn.cohorts.progress import Progress
from mame_cnn.cohorts.schedules import lr_factor
from mame_cnn.configuration.config import Training
from tests.mame_cnn.factory import make_config

EPOCHS, N_STEPS = 20, 7


def factors(training: Training) -> list[float]:
    """Return the factor of every step of a training."""
    return [
        lr_factor(training.schedule, step=step, n_steps_per_epoch=N_STEPS, epochs=EPOCHS)
        for step in range(EPOCHS * N_STEPS)
    ]


def torch_factors(
    make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler],
) -> list[float]:
    """Return the factors of torch's own scheduler, stepped after every update."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch wants an update before the scheduler's step
        for _ in range(EPOCHS * N_STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            if len(rates) < EPOCHS * N_STEPS:
                scheduler.step()
    return rates


def test_cosine_equals_torch() -> None:
    expected = torch_factors(
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * N_STEPS)
    )
    assert factors(make_config(schedule="cosine").training) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("warmup_fraction", [0.3, 0.05])
def test_one_cycle_equals_torch(warmup_fraction: float) -> None:
    expected = torch_factors(
        lambda optimizer: lr_scheduler.OneCycleLR(
            optimizer, 1.0, total_steps=EPOCHS * N_STEPS, pct_start=warmup_fraction
        )
    )
    training = make_config(schedule="one_cycle", warmup_fraction=warmup_fraction).training
    assert factors(training) == pytest.approx(expected, abs=1e-12)


def test_exponential_decays_after_the_stated_epochs() -> None:
    # Five Spanish painters: lr times exp(-0.05) after each epoch from the tenth on.
    by_step = factors(make_config(schedule="exponential").training)
    by_epoch = by_step[::N_STEPS]
    assert by_epoch[:10] == [1.0] * 10
    assert by_epoch[10:13] == pytest.approx([math.exp(-0.05 * n) for n in (1, 2, 3)])
    assert by_step[10 * N_STEPS : 11 * N_STEPS] == [by_epoch[10]] * N_STEPS


def test_the_painters_rates_are_those_of_fifty_epochs_multiplied_one_by_one() -> None:
    training = make_config(
        epochs=50, lr=1e-3, schedule="exponential", decay_rate=0.05, decay_after_epochs=10
    ).training
    expected, rate = [], 1e-3
    for epoch in range(1, 51):
        expected.append(rate)
        if epoch >= 10:  # "multiplied by exp(-0.05) after each epoch from the 10th on"
            rate *= math.exp(-0.05)
    progress, found = Progress(training), []
    for _ in range(50):
        found += progress.learning_rates(1)
        progress.completed(val_accuracy=0.5, val_loss=1.0)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found[-1] == pytest.approx(1e-3 * math.exp(-2))  # 40 times


def test_constant_is_constant() -> None:
    assert set(factors(make_config().training)) == {1.0}


def test_plateau_equals_torch() -> None:
    losses = [1.0, 0.9, 0.95, 0.91, 0.9, 0.89999, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.4]
    config = make_config(schedule="plateau", plateau_factor=0.5, plateau_patience_epochs=2)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    progress = Progress(config.training)
    for loss in losses:
        scheduler.step(loss)
        progress.completed(val_accuracy=0.5, val_loss=loss)
        factor = lr_factor(
            config.training.schedule,
            step=0,
            n_steps_per_epoch=1,
            epochs=1,
            n_reductions=progress.n_reductions,
        )
        assert factor == optimizer.param_groups[0]["lr"]
    assert progress.n_reductions == 2


def test_early_stopping_waits_for_accuracy_and_loss() -> None:
    progress = Progress(make_config(epochs=99, patience_epochs=2).training)
    for accuracy, loss in [(0.5, 1.0), (0.4, 0.9), (0.6, 1.2), (0.5, 1.1)]:
        progress.completed(accuracy, loss)
        assert not progress.is_finished
    progress.completed(0.6, 0.9)
    assert progress.is_finished
    assert (progress.best_epoch, progress.best_accuracy) == (3, 0.6)


def test_without_patience_the_budget_is_spent() -> None:
    progress = Progress(make_config(epochs=30, patience_epochs=0).training)
    for epoch in range(1, 31):
        progress.completed(0.5, 1.0)
        assert progress.is_finished == (epoch == 30)
