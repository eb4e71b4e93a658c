"""What becomes of a member in company that comes and goes, against what becomes of it alone."""

from functools import cache
from typing import Any

import pytest
import torch

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.vocabulary import Value
from tests.mame_cnn.factory import make_config, make_data

TOLERANCE = 1e-9
DATA = make_data(n_train=26, n_val=12)

# One member a column; what all share is given by the test. Rates are small, because Adam divides
# by gradients and so magnifies rounding near 0.
OWN: dict[str, tuple[Value, ...]] = {
    "lr": (3e-4, 1e-3, 6e-4, 1e-4),
    "weight_decay": (0.0, 0.01, 0.02, 0.0),
    "label_smoothing": (0.1, 0.0, 0.0, 0.2),
    "ema_decay": (0.0, 0.9, 0.0, 0.5),
    "drop_rate": (0.2, 0.0, 0.3, 0.1),
    "head_drop_rate": (0.0, 0.5, 0.0, 0.2),
    "dense_drop_rate": (0.3, 0.1, 0.0, 0.0),
    "l1": (0.0, 1e-3, 0.0, 1e-4),
    "dense_l2": (1e-3, 0.0, 0.0, 1e-2),
    "schedule": ("plateau", "one_cycle", "plateau", "exponential"),
    "patience_epochs": (1, 0, 2, 1),
    "rotation_degrees": (0.0, 30.0, 0.0, 0.0),
    "flip_horizontal": (0.0, 0.5, 0.0, 0.5),
    "crop_pad_px": (0, 1, 0, 2),
}
FEW_EPOCHS = {"plateau_patience_epochs": 0, "decay_after_epochs": 1}
EPOCHS = 6

# What happens to the cohort before each of its epochs: who goes, then who comes. Member 0 comes
# back as a newcomer, members 2 and 3 meet in different epochs, and once everybody goes.
COMINGS_AND_GOINGS: dict[str, list[tuple[set[int], list[int]]]] = {
    "one after the other": [
        (set(), [0, 1]),
        (set(), [2]),
        ({0}, [3]),
        ({2}, []),
        (set(), [0, 2]),
        ({3}, []),
    ],
    "in other slots": [
        (set(), [3, 2, 1, 0]),
        ({2, 3}, []),
        (set(), [3]),
        ({0, 1}, [2, 1]),
        ({3}, [0, 3]),
        (set(), []),
    ],
    "all at once": [(set(), [1]), ({1}, [2, 3]), ({2, 3}, [0, 1, 2]), (set(), []), (set(), [3])],
}


def member(number: int, shape: dict[str, Any], optimizer: str) -> Config:
    own = {name: values[number] for name, values in OWN.items()}
    momentum = {"momentum": 0.5 + 0.1 * number} if optimizer == "sgd" else {}
    params: dict[str, Any] = {**FEW_EPOCHS, **own, **momentum, **shape}
    return make_config(seed=number, epochs=EPOCHS, optimizer=optimizer, **params)


State = dict[str, torch.Tensor]
SHAPES: dict[str, dict[str, Value]] = {
    "adam": {"batch_norm": "after_pool", "activation": "relu"},
    "sgd": {"batch_norm": "before", "activation": "prelu", "head": "average"},
    "nadam": {"batch_norm": "none", "convolutions": 2, "class_weights": "balanced"},
}


@cache
def members(optimizer: str) -> list[Config]:
    return [member(number, SHAPES[optimizer], optimizer) for number in range(4)]


@cache
def courses(optimizer: str) -> list[list[tuple[EpochResult, State]]]:
    """Return each member's results and weights, epoch by epoch, where it has no company."""
    alone = []
    for number, config in enumerate(members(optimizer)):
        cohort = Cohort([config], [number], DATA)
        alone.append(
            [(cohort.train_epoch()[0], cohort.member_state(number)) for _ in range(EPOCHS)]
        )
    return alone


def assert_equal_results(result: EpochResult, expected: EpochResult) -> None:
    assert result.metrics == pytest.approx(expected.metrics, abs=TOLERANCE)
    told = ("key", "epoch", "val_accuracy", "is_best", "is_finished", "failure")
    assert [getattr(result, name) for name in told] == [getattr(expected, name) for name in told]


@pytest.mark.parametrize("comings_and_goings", COMINGS_AND_GOINGS)
@pytest.mark.parametrize("optimizer", SHAPES)
def test_a_member_becomes_the_same_whoever_comes_and_goes(
    comings_and_goings: str, optimizer: str
) -> None:
    configs, expected = members(optimizer), courses(optimizer)
    [(_, first), *later] = COMINGS_AND_GOINGS[comings_and_goings]
    cohort = Cohort([configs[number] for number in first], first, DATA)
    for gone, come in [(set(), []), *later]:
        cohort.drop(gone)
        if come:
            cohort.admit([configs[number] for number in come], come)
        for result in cohort.train_epoch():
            expected_result, expected_state = expected[result.key][result.epoch - 1]
            assert_equal_results(result, expected_result)
            torch.testing.assert_close(
                cohort.member_state(result.key), expected_state, atol=TOLERANCE, rtol=0
            )


def test_these_members_slow_down_and_stop_at_times_of_their_own() -> None:
    lrs = [[result.lr for result, _ in course] for course in courses("adam")]
    stops = [
        [result.is_finished for result, _ in course].index(True) for course in courses("adam")
    ]
    assert lrs[0][-1] < lrs[0][0]  # the plateau was met
    assert len(set(stops)) > 2
    assert min(stops) < EPOCHS - 1


def test_members_of_another_shape_are_refused_and_change_nothing() -> None:
    cohort = Cohort(members("adam")[:2], [0, 1], DATA)
    with pytest.raises(ValueError, match="fusion key"):
        cohort.admit([make_config(width=8)], [2])
    assert [result.key for result in cohort.train_epoch()] == [0, 1]
