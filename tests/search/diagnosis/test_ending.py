"""Still improving or saturated: constructed endings, and near misses."""

import numpy as np
import pytest

from tests.search.diagnosis.curves import approach, found, history, level

# At 0.5 on 1,450 images one standard error is 0.0131, and 0.0364 are told apart.


@pytest.mark.parametrize(
    ("rise", "severity"), [(0.040, "high"), (0.020, "medium"), (0.010, None), (-0.040, None)]
)
def test_a_rise_in_the_last_quarter_counts_by_its_standard_errors(
    rise: float, severity: str | None
) -> None:
    # The last quarter of 30 epochs is 23 to 30.
    val = [0.5 - rise] * 22 + list(np.linspace(0.5 - rise, 0.5, 8))
    finding = found(history(val)).get("still_improving")
    assert (finding.severity if finding else None) == severity
    if finding:
        assert finding.epochs == (23, 30)
        assert finding.values == pytest.approx((0.5 - rise, 0.5))


def test_a_rise_that_jumps_about_as_much_as_it_rises_is_none() -> None:
    rising = np.linspace(0.48, 0.50, 8)
    jumping = [0.05, -0.05, 0.03, -0.05, 0.05, -0.03, 0.04, 0.051]
    assert "still_improving" in found(history([0.48] * 22 + list(rising)))
    assert "still_improving" not in found(history([0.48] * 22 + list(rising + jumping)))


def test_a_curve_that_rose_and_then_stayed_no_longer_improves() -> None:
    val = [0.4] * 22 + [0.42, 0.44, 0.46, 0.50, 0.49, 0.49, 0.49, 0.49]
    assert "still_improving" not in found(history(val))


@pytest.mark.parametrize(("state", "n"), [("pruned", 30), ("complete", 20)])
def test_only_a_trial_that_spent_its_budget_is_still_improving(state: str, n: int) -> None:
    val = list(np.linspace(0.3, 0.6, n))
    assert "still_improving" not in found(history(val, state=state))


def test_a_falling_loss_tells_where_few_images_hide_the_rise() -> None:
    # On 100 images accuracy moves by 0.01; its standard error at 0.95 is 0.022, or 31 % of the
    # error and itself. The loss falls by half.
    falling = [1.0] * 22 + list(np.linspace(0.4, 0.2, 8))
    one = history(level(0.95), val_loss=falling)
    rules = found(one, n_val=100)
    assert rules["still_improving"].severity == "low"
    assert "saturated" not in rules
    slightly = [1.0] * 22 + list(np.linspace(0.4, 0.35, 8))
    assert "still_improving" not in found(history(level(0.95), val_loss=slightly), n_val=100)


def test_a_level_second_half_is_saturated_since_the_epoch_that_reached_it() -> None:
    val = [*np.linspace(0.2, 0.56, 10), *level(0.6, 20)]
    finding = found(history(val))["saturated"]
    # The mean of three epochs is there from 11, 12 and 13 on.
    assert (finding.severity, finding.epochs) == ("low", (12, 11, 30))
    assert finding.values == pytest.approx((0.6, 0.6, 0.6))


def test_a_network_that_fits_all_training_images_is_large_enough() -> None:
    val = [*np.linspace(0.2, 0.6, 10), *level(0.6, 20)]
    train = [*np.linspace(0.2, 0.99, 10), *level(0.995, 20)]
    finding = found(history(val, train_accuracy=train))["saturated"]
    assert finding.severity == "medium"
    assert "large enough" in finding.next_step


def test_a_curve_that_becomes_level_after_its_middle_is_not_saturated() -> None:
    assert "saturated" not in found(history([*np.linspace(0.2, 0.6, 18), *level(0.6, 12)]))


@pytest.mark.parametrize("state", ["pruned", "running"])
def test_only_a_complete_trial_is_saturated(state: str) -> None:
    assert "saturated" not in found(history(level(0.6), state=state))


@pytest.mark.parametrize("seed", range(5))
def test_no_course_is_both_saturated_and_still_improving(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for time_constant in (1, 3, 6, 12, 20, 40):
        val = approach(0.1, 0.6, time_constant) + rng.normal(0, 0.005, 30)
        rules = found(history(val)).keys()
        assert not {"saturated", "still_improving"} <= rules
        if time_constant != 6:  # it may be either
            assert ("still_improving" in rules) == (time_constant >= 12)
            assert ("saturated" in rules) == (time_constant <= 3)
