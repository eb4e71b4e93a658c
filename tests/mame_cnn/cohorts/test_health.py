"""Members whose training is beyond help end; others, and those beside them, do not."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.nn import functional as F

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.health import (
    GRADIENT_LIMIT,
    Vitals,
    chance,
    chance_epochs,
    constant_loss,
    loss_fault,
    vital_columns,
)
from mame_cnn.cohorts.progress import EpochResult, Figures, Progress
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit
from tests.mame_cnn.factory import make_config, make_data

TOLERANCE = 1e-9
DATA = make_data(n_train=26, n_val=12)
WILD: dict[str, Value] = {"lr": 1e30}


# Numbers that are not finite, and gradients


@pytest.mark.parametrize(
    ("losses", "fault"),
    [
        ((2.3, 0.1, 2.4), None),
        ((1e5, 1e30, 1e30), None),
        ((math.nan, 0.0, 1.0), "loss is no longer finite in epoch 4 (train nan, penalty 0, val"),
        ((1.0, math.inf, 1.0), "loss is no longer finite in epoch 4 (train 1, penalty inf, val"),
        ((1.0, 0.0, math.inf), "loss is no longer finite in epoch 4 (train 1, penalty 0, valid"),
        ((2e6, 0.0, 1.0), "loss exploded in epoch 4 (train 2e+06, penalty 0, validation 1)"),
    ],
)
def test_losses_beyond_help_are_said(
    losses: tuple[float, float, float], fault: str | None
) -> None:
    said = loss_fault(4, *losses)
    assert said is None if fault is None else (said or "").startswith(fault)


@pytest.mark.parametrize(
    ("vitals", "fault"),
    [
        (Vitals(1.0, 2.0, 3.0), None),
        (Vitals(GRADIENT_LIMIT, 1e30, 1e30), None),
        (Vitals(1.0, math.inf, 0.0), "weights are no longer finite in epoch 4"),
        (Vitals(math.nan, math.nan, math.nan), "weights are no longer finite in epoch 4"),
        (Vitals(2 * GRADIENT_LIMIT, 1.0, 1.0), "gradients exploded in epoch 4: norm 2e+06"),
        (Vitals(math.inf, 1.0, 1.0), "gradients exploded in epoch 4: norm inf"),
        (Vitals(math.nan, 1.0, 1.0), "gradients exploded in epoch 4: norm nan"),
        (Vitals(1.0, 1.0, math.inf), "gradients exploded in epoch 4: what the update rule"),
    ],
)
def test_what_is_beyond_help_is_said_with_its_epoch(vitals: Vitals, fault: str | None) -> None:
    said = vitals.fault(4)
    assert said is None if fault is None else (said or "").startswith(fault)


def test_a_member_is_looked_at_without_the_others() -> None:
    sound = torch.tensor([3.0, -4.0])
    rows = [sound, torch.tensor([math.nan, 1.0]), torch.tensor([-math.inf, 1.0])]
    too_large = torch.full((2,), 1e20)  # its square is beyond float32
    columns = vital_columns(
        torch.stack([*rows, sound]),
        torch.stack([sound, sound, sound, too_large]),
        [torch.stack([sound, *rows]), torch.zeros(4, 1)],
    )
    values = {name: column.tolist() for name, column in columns.items()}
    assert values["gradient_norm"] == [5.0, 5.0, 5.0, math.inf]
    assert values["largest_weight"][0] == values["largest_weight"][3] == 4.0
    assert math.isnan(values["largest_weight"][1])
    assert values["largest_weight"][2] == math.inf
    assert values["largest_moment"][:2] == [4.0, 4.0]
    assert math.isnan(values["largest_moment"][2])
    assert values["largest_moment"][3] == math.inf


SHAPES: dict[str, dict[str, Value]] = {
    "none": {"batch_norm": "none", "head": "average", "dense_depth": 0},
    "before": {"batch_norm": "before", "activation": "prelu", "convolutions": 2},
    "after": {"batch_norm": "after", "head": "max"},
    "after_pool": {"batch_norm": "after_pool", "pool": "average"},
}


@pytest.mark.parametrize("views", ["shared", "own"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("batch_norm", SHAPES)
def test_an_exploding_member_leaves_those_beside_it_alone(
    batch_norm: str, optimizer: str, views: str
) -> None:
    own: list[dict[str, Value]] = [
        {"lr": 3e-4, "drop_rate": 0.2, "l1": 1e-4},
        WILD,
        {"lr": 1e-3, "ema_decay": 0.9, "weight_decay": 0.01, "label_smoothing": 0.1},
    ]
    if views == "own":
        own = [{**one, "rotation_degrees": 10.0 * number} for number, one in enumerate(own)]
    shape: dict[str, Any] = {"optimizer": optimizer, **SHAPES[batch_norm]}
    configs: list[Any] = [
        make_config(seed=number, epochs=4, **{**shape, **one}) for number, one in enumerate(own)
    ]
    together = Cohort(configs, [0, 1, 2], DATA)
    alone = {key: Cohort([configs[key]], [key], DATA) for key in (0, 2)}
    for _ in range(3):
        results = {result.key: result for result in together.train_epoch()}
        assert results[1].failure
        for key, cohort in alone.items():
            [expected] = cohort.train_epoch()
            assert results[key].failure is None
            assert results[key].metrics == pytest.approx(expected.metrics, abs=TOLERANCE)
            torch.testing.assert_close(
                together.member_state(key), cohort.member_state(key), atol=TOLERANCE, rtol=0
            )


def test_gradients_that_explode_end_a_member_whose_loss_is_still_a_number() -> None:
    config = make_config(optimizer="sgd", lr=1e-12, l1=1e6)
    [result] = Cohort([config], [0], DATA).train_epoch()
    assert math.isfinite(result.train_loss + result.penalty + result.val_loss)
    assert (result.failure or "").startswith("gradients exploded in epoch 1")
    assert not result.is_best


def test_a_moment_that_has_overflown_ends_a_member_though_its_weights_are_finite() -> None:
    cohort = Cohort([make_config()], [0], make_data(dtype=torch.float32))
    cohort.train_epoch()
    cohort._optimizer.state["square"][0, 0] = math.inf
    [result] = cohort.train_epoch()
    assert cohort._flat.weights.isfinite().all()
    assert "gradients exploded in epoch 2" in (result.failure or "")


# Chance


@dataclass
class Case:
    counts: list[int]
    label_smoothing: float = 0.0
    class_weights: list[float] = field(default_factory=list)


@pytest.mark.parametrize(
    "case",
    [
        Case([5, 5]),
        Case([9, 1]),
        Case([7, 0, 3]),
        Case([4, 3, 2, 1], label_smoothing=0.2),
        Case([8, 1, 1], class_weights=[10 / 24, 10 / 3, 10 / 3]),
        Case([6, 3, 1], label_smoothing=0.3, class_weights=[10 / 18, 10 / 9, 10 / 3]),
    ],
)
def test_constant_answers_have_the_least_loss_that_a_search_for_it_finds(case: Case) -> None:
    n_classes = len(case.counts)
    labels = torch.repeat_interleave(torch.arange(n_classes), torch.tensor(case.counts))
    weights = torch.tensor(case.class_weights or [1.0] * n_classes, dtype=torch.float64)

    def loss(logits: np.ndarray[Any, Any]) -> float:
        answers = torch.from_numpy(logits).expand(len(labels), -1)
        return F.cross_entropy(
            answers, labels, weights, label_smoothing=case.label_smoothing
        ).item()

    least = minimize(loss, np.zeros(n_classes), tol=1e-12).fun
    counts = torch.tensor(case.counts, dtype=torch.float64)
    assert constant_loss(counts, case.label_smoothing, weights) == pytest.approx(least, abs=1e-5)


def labelled(n_train: list[int], n_val: list[int]) -> DeviceData:
    """Return black images with so many of each class."""

    def split(counts: list[int]) -> DeviceSplit:
        labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        return DeviceSplit(torch.zeros(len(labels), 8, 8, 1, dtype=torch.uint8), labels)

    train = split(n_train)
    counts = torch.tensor(n_train)
    return DeviceData(
        train=train,
        val=split(n_val),
        n_classes=len(n_train),
        channels=1,
        image_size=8,
        scale=torch.ones(1, 1, 1),
        offset=torch.zeros(1, 1, 1),
        class_weights=counts.sum() / (counts * len(n_train)),
        precision=torch.float32,
    )


def test_chance_is_the_largest_class_and_luck() -> None:
    mame = chance(labelled([700] * 29, [50] * 29), make_config().training)
    assert mame.train_loss == pytest.approx(math.log(29))
    assert mame.val_accuracy == pytest.approx(1 / 29 + 3 * 0.0048, abs=1e-3)
    two = chance(labelled([900, 100], [90, 10]), make_config().training)
    assert two.train_accuracy == pytest.approx(0.9 + 3 * math.sqrt(0.09 / 1000))
    assert two.val_accuracy == pytest.approx(0.9 + 3 * math.sqrt(0.09 / 100))
    assert two.train_loss == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))


@pytest.mark.parametrize("n_classes", [2, 29])
def test_guesses_stay_within_chance(n_classes: int) -> None:
    counts = [20] * (n_classes - 1) + [60]
    labels = np.repeat(np.arange(n_classes), counts)
    allowed = chance(labelled(counts, counts), make_config().training).val_accuracy
    guesses = np.random.default_rng(0)
    shares = np.array(counts) / sum(counts)
    accuracies = [
        (guesses.choice(n_classes, len(labels), p=shares) == labels).mean() for _ in range(2000)
    ]
    assert max(accuracies) <= allowed
    assert (labels == n_classes - 1).mean() <= allowed


def test_balanced_weights_make_chance_that_of_balanced_classes() -> None:
    training = make_config(class_weights="balanced").training
    assert chance(labelled([30, 10], [3, 1]), training).train_loss == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("params", "n_epochs"),
    [
        ({"epochs": 8}, 5),
        ({"epochs": 20}, 5),
        ({"epochs": 21}, 6),
        ({"epochs": 100}, 25),
        ({"epochs": 100, "schedule": "one_cycle", "warmup_fraction": 0.4}, 40),
    ],
)
def test_a_quarter_of_the_budget_is_waited_for(params: dict[str, Any], n_epochs: int) -> None:
    assert chance_epochs(make_config(**params).training) == n_epochs


def ended(
    *epochs: tuple[float, float, float], budget: int = 40, n_train: int = 1000
) -> list[EpochResult]:
    """Return results of epochs by accuracy in training and validation, and training loss."""
    config = make_config(epochs=budget, patience_epochs=0)
    data = labelled([n_train // 2] * 2, [50, 50])
    progress = Progress(config.training, chance(data, config.training))
    return [
        progress.ended(0, Figures(0.1, loss, 0.0, train, 1.0, val, 1.0))
        for train, val, loss in epochs
    ]


AT_CHANCE = (0.5, 0.5, 0.694)


def test_a_member_at_chance_is_given_up_after_a_quarter_of_its_budget() -> None:
    results = ended(*[AT_CHANCE] * 10)
    assert [result.failure is None for result in results] == [True] * 9 + [False]
    assert (results[-1].failure or "").startswith("accuracy stayed at chance for 10 epochs: 0.500")


@pytest.mark.parametrize(
    "better",
    [(0.56, 0.5, 0.694), (0.5, 0.7, 0.694), (0.5, 0.5, 0.68)],
    ids=["train", "val", "loss"],
)
def test_whoever_was_better_than_chance_once_is_not_given_up(
    better: tuple[float, float, float],
) -> None:
    results = ended(*[AT_CHANCE] * 3, better, *[AT_CHANCE] * 20)
    assert not any(result.failure for result in results)


def test_whoever_is_done_anyway_is_not_given_up() -> None:
    assert not any(result.failure for result in ended(*[AT_CHANCE] * 5, budget=5))


def test_a_network_that_learns_nothing_is_given_up_and_one_that_learns_is_not() -> None:
    learnable = make_data(n_train=300, n_val=120, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    train, val = (
        DeviceSplit(split.images, split.labels[torch.randperm(len(split), generator=generator)])
        for split in (learnable.train, learnable.val)
    )
    shape: dict[str, Any] = {"epochs": 9, "batch_size": 32, "batch_norm": "none"}
    hopeless = replace(learnable, train=train, val=val)
    for data, lr, at_last in ((learnable, 1e-3, False), (hopeless, 1e-9, True)):
        cohort = Cohort([make_config(lr=lr, **shape)], [0], data)
        failures = [cohort.train_epoch()[0].failure for _ in range(5)]
        assert failures[:4] == [None] * 4
        assert ("accuracy stayed at chance for 5 epochs" in (failures[4] or "")) == at_last
