"""Noise against what the number of images explains, and sudden drops."""

import numpy as np
import numpy.typing as npt
import pytest

from search.diagnosis.curves import Curves
from search.diagnosis.stability import noisy
from tests.search.diagnosis.curves import approach, found, history, level


def _noise(spread: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """Noise whose second differences, from the ninth epoch on, have exactly this spread."""
    noise = np.random.default_rng(seed).uniform(-1, 1, 30)
    own = float(np.sqrt(np.mean(np.diff(noise[8:], n=2) ** 2) / 6))
    return noise * (spread / own)


@pytest.mark.parametrize(
    ("spread", "severity"), [(0.013, None), (0.026, "medium"), (0.06, "high")]
)
def test_noise_is_measured_in_standard_errors(spread: float, severity: str | None) -> None:
    # One standard error at 0.6 on 1,450 images is 0.0129; a high one tells two trials apart.
    finding = found(history(0.6 + _noise(spread))).get("noisy")
    assert (finding.severity if finding else None) == severity


def test_the_same_noise_is_no_news_on_fewer_images() -> None:
    val = 0.6 + _noise(0.026)
    assert "noisy" in found(history(val))
    assert "noisy" not in found(history(val), n_val=300)


def test_what_sampling_makes_is_called_noisy_in_one_trial_of_a_hundred() -> None:
    rng = np.random.default_rng(1)
    val = rng.binomial(1450, 0.6, (400, 30)) / 1450
    curves = [Curves(history(one), 1450, 29, 1 / 29, 30) for one in val]
    # Four expected; the degrees of freedom are an approximation. Of 400 at a true rate of 2 %
    # more than 15 would be one case in a hundred.
    assert sum(noisy(one) is not None for one in curves) <= 15


def test_a_steep_rise_is_no_noise() -> None:
    assert "noisy" not in found(history(list(np.linspace(0.1, 0.9, 30))))
    assert "noisy" not in found(history(approach(0.1, 0.8, 6)))


def test_noise_names_its_worst_epoch() -> None:
    val = np.array(level(0.6)) + np.tile([0.03, -0.03], 15)
    val[19] -= 0.05
    finding = found(history(val))["noisy"]
    assert finding.epochs == (19, 20, 21)
    assert finding.values == pytest.approx((0.63, 0.52, 0.63))


def test_a_drop_that_comes_back_is_told_with_both_epochs() -> None:
    val = [*approach(0.1, 0.6, 2, 12), 0.3, 0.4, 0.5, *level(0.6, 15)]
    finding = found(history(val))["sudden_drop"]
    assert (finding.severity, finding.epochs) == ("medium", (13, 16))
    assert finding.values == pytest.approx((0.5966, 0.3, 0.6), abs=1e-4)
    assert "back at epoch 16 (0.600)" in finding.message
    assert "noisy" not in found(history(val))


def test_a_drop_for_good_is_severe() -> None:
    finding = found(history([*level(0.6, 20), *level(0.3, 10)]))["sudden_drop"]
    assert finding.severity == "high"
    assert "never back (0.300 at epoch 30)" in finding.message


def test_penalties_that_fall_with_the_accuracy_are_named() -> None:
    # As MAMe experiment 7: L1 sets filters to zero, then the network recovers.
    val = [*level(0.6, 12), 0.3, 0.5, *level(0.6, 16)]
    penalty = [*level(2.0, 12), 1.0, 0.6, *level(0.5, 16)]
    one = history(val, penalty=penalty, params={"l1_3": 1e-3, "l1_4": 2e-3, "lr": 0.01})
    finding = found(one)["sudden_drop"]
    assert "the penalty fell from 2 to 0.5 meanwhile" in finding.message
    assert "l1_4 0.002, l1_3 0.001" in finding.next_step


@pytest.mark.parametrize(
    ("depth", "is_found"),
    [(0.05, False), (0.06, True)],  # 3 sqrt(2) standard errors of 0.0129 are 0.0546
)
def test_a_drop_is_sudden_from_three_standard_errors_of_a_difference(
    depth: float, is_found: bool
) -> None:
    val = [*level(0.6, 15), 0.6 - depth, *level(0.6, 14)]
    assert ("sudden_drop" in found(history(val))) == is_found


def test_a_slow_decline_is_no_drop_and_many_drops_are_noise() -> None:
    assert "sudden_drop" not in found(history(list(np.linspace(0.7, 0.4, 30))))
    rules = found(history([0.6, 0.6, 0.6, 0.3, 0.6] * 6)).keys()
    assert "sudden_drop" not in rules
    assert "noisy" in rules
