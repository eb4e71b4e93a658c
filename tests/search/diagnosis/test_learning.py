"""Divergence, chance and the learning rate: constructed curves and near misses."""

import math

import numpy as np
import pytest

from search.diagnosis import diagnose
from tests.search.diagnosis.curves import approach, found, history, level

CHANCE = 1 / 29


def test_a_loss_that_is_no_longer_finite_diverged_and_nothing_else() -> None:
    one = history(
        [0.2, 0.3, 0.0],
        state="pruned",
        train_loss=[3.0, 2.0, math.inf],
        params={"lr": 0.5},
        failure="loss is no longer finite in epoch 3 (train inf)",
    )
    rules = found(one)
    assert rules.keys() == {"diverged"}
    finding = rules["diverged"]
    assert (finding.severity, finding.epochs, finding.values) == ("high", (3,), (0.3,))
    assert "lr 0.5" in finding.next_step
    assert "epoch 2 still had 0.300" in finding.message


def test_a_trial_that_raised_for_another_reason_did_not_diverge() -> None:
    one = history([0.2, 0.3, 0.4], state="fail", failure="RuntimeError: no kernel image")
    assert "diverged" not in found(one)


def test_a_trial_that_was_ended_at_chance_is_stuck_and_has_not_diverged() -> None:
    values = [CHANCE] * 7 + [0.0]
    failure = "accuracy stayed at chance for 8 epochs: 0.034 in training"
    rules = found(history(values, state="pruned", failure=failure))
    assert "stuck_at_chance" in rules
    assert "diverged" not in rules


def test_a_device_that_does_not_always_tell_its_energy_is_no_divergence() -> None:
    assert "diverged" not in found(history([0.2, 0.3, 0.4], energy_j=[5.0, math.nan, 5.0]))
    assert "diverged" in found(history([0.2, 0.3, 0.4], penalty=[5.0, math.nan, 5.0]))


def test_accuracies_within_three_standard_errors_of_chance_are_stuck() -> None:
    # sqrt(0.0345 * 0.9655 / 1450) = 0.0048: up to 0.0489.
    finding = found(history([CHANCE, 0.048, 0.03]))["stuck_at_chance"]
    assert (finding.severity, finding.epochs) == ("high", (2, 3))
    assert "guessing reaches 0.034" in finding.message
    assert "stuck_at_chance" not in found(history([CHANCE, 0.050, 0.03]))


def test_an_answer_of_the_most_frequent_class_alone_is_chance_too() -> None:
    one = history(level(0.45, 5))
    rules = [f.rule for f in diagnose(one, n_val=500, n_classes=5, epochs=5, chance=0.45)]
    assert rules == ["stuck_at_chance"]
    assert "stuck_at_chance" not in found(one, n_val=500, n_classes=5, epochs=5)


def test_two_epochs_are_too_few_to_be_stuck() -> None:
    assert found(history([CHANCE, CHANCE], state="pruned")) == {}


@pytest.mark.parametrize(
    ("metrics", "word"),
    [
        ({"train_accuracy": level(0.5, 5)}, "labels"),
        ({"train_loss": level(3.3, 5), "penalty": level(40.0, 5)}, "l1_1 0.01"),
        ({"train_loss": [3.4, 3.3, 3.2, 3.1, 3.0]}, "raise the lower end of lr"),
        ({"train_loss": [3.4, 3.5, 3.4, 3.5, 3.4]}, "a third and at three times"),
    ],
)
def test_who_is_stuck_is_told_why_as_far_as_curves_tell(
    metrics: dict[str, list[float]], word: str
) -> None:
    one = history(level(CHANCE, 5), params={"lr": 1e-5, "l1_1": 0.01}, curves=metrics)
    assert word in found(one)["stuck_at_chance"].next_step


def test_a_training_accuracy_that_falls_twice_has_too_high_a_learning_rate() -> None:
    # At 0.7 on 1,450 images 0.0334 is what chance explains.
    train = [0.3, 0.5, 0.7, 0.6, 0.7, 0.72, 0.6, 0.7, 0.75, 0.8]
    finding = found(history(level(0.6, 10), train_accuracy=train, params={"lr": 0.02}))
    assert finding["lr_too_high"].epochs == (4, 7)
    assert finding["lr_too_high"].values == (0.6, 0.6)
    assert finding["lr_too_high"].severity == "medium"
    assert "lr 0.02" in finding["lr_too_high"].next_step


def test_a_learning_rate_that_costs_the_best_epoch_is_severe() -> None:
    train = [0.3, 0.5, 0.7, 0.6, 0.7, 0.72, 0.6, 0.5]
    val = [0.3, 0.5, 0.65, 0.6, 0.6, 0.6, 0.55, 0.5]
    assert found(history(val, train_accuracy=train))["lr_too_high"].severity == "high"


@pytest.mark.parametrize(
    "train",
    [
        [0.3, 0.5, 0.7, 0.6, 0.7, 0.8, 0.85, 0.9],  # once
        [0.3, 0.5, 0.7, 0.68, 0.7, 0.68, 0.70, 0.68],  # less than chance explains
    ],
)
def test_one_fall_or_small_ones_do_not_blame_the_learning_rate(train: list[float]) -> None:
    assert "lr_too_high" not in found(history(level(0.6, 8), train_accuracy=train))


def test_an_even_slow_fall_of_the_loss_has_too_low_a_learning_rate() -> None:
    loss = list(np.linspace(3.36, 2.0, 30))
    train = list(np.linspace(0.04, 0.4, 30))
    one = history(train, train_loss=loss, train_accuracy=train, params={"lr": 2e-6})
    finding = found(one)["lr_too_low"]
    assert (finding.severity, finding.epochs) == ("high", (1, 30))
    assert "lr 2e-06" in finding.next_step
    assert finding.values == pytest.approx((3.36, 2.70, 2.0), abs=0.02)


@pytest.mark.parametrize(("time_constant", "is_found"), [(15, False), (30, True)])
def test_slow_is_a_time_constant_of_about_three_quarters_of_the_epochs(
    time_constant: float, is_found: bool
) -> None:
    loss = approach(math.log(29), 1.0, time_constant)
    one = history(level(0.4), train_loss=loss, train_accuracy=level(0.4))
    assert ("lr_too_low" in found(one)) == is_found


@pytest.mark.parametrize(
    "changed",
    [
        {"train_accuracy": level(0.8)},  # enough was learnt
        {"lr": list(np.linspace(1e-5, 1e-3, 30))},  # warm-up
        {"train_loss": [3.3, 3.4] * 10 + list(np.linspace(3, 1, 10))},  # restless
        {"train_loss": [*np.linspace(3.2, 2.0, 29), 40.0]},  # explodes in the end
    ],
)
def test_who_learnt_warms_up_or_jumps_is_not_too_slow(changed: dict[str, list[float]]) -> None:
    slow = {"train_loss": list(np.linspace(3.36, 2.0, 30)), "train_accuracy": level(0.4)}
    assert "lr_too_low" in found(history(level(0.4), curves=slow))
    assert "lr_too_low" not in found(history(level(0.4), curves=slow | changed))


def test_a_healthy_course_has_no_finding_of_the_learning_rate() -> None:
    rng = np.random.default_rng(3)
    val = np.array(approach(0.1, 0.62, 4)) + rng.normal(0, 0.006, 30)
    one = history(
        val,
        train_accuracy=np.array(approach(0.1, 0.66, 4)),
        train_loss=approach(3.0, 1.0, 4),
        val_loss=approach(3.0, 1.1, 4),
    )
    assert (
        not {"lr_too_low", "lr_too_high", "noisy", "diverged", "sudden_drop"} & found(one).keys()
    )
