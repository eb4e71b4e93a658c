"""Overfitting and underfitting: the reference experiments, and where labels change."""

import math
from dataclasses import replace

import pytest

from tests.search.diagnosis.curves import approach, found, history, level

# Section 1 of the reference experiments: training and validation accuracy of 1 to 12. It has no
# column of labels; these follow from the stated rule by hand, gap / (1 - validation):
REFERENCE = {
    1: (0.97, 0.307, "high"),  # 0.663 / 0.693 = 0.96
    2: (0.66, 0.45, "medium"),  # 0.21 / 0.55 = 0.38
    3: (0.90, 0.61, "high"),  # 0.29 / 0.39 = 0.74
    4: (0.72, 0.58, "medium"),  # 0.14 / 0.42 = 1/3
    5: (0.86, 0.60, "high"),  # 0.26 / 0.40 = 0.65
    6: (0.99, 0.63, "high"),  # 0.36 / 0.37 = 0.97
    7: (0.85, 0.64, "high"),  # 0.21 / 0.36 = 0.58
    8: (0.77, 0.60, "medium"),  # 0.17 / 0.40 = 0.43
    9: (0.45, 0.21, "low"),  # 0.24 / 0.79 = 0.30
    10: (0.73, 0.64, "low"),  # 0.09 / 0.36 = 0.25
    11: (0.54, 0.52, None),  # 0.02 < 0.036, which is what 1,450 images show
    12: (0.59, 0.63, None),
}


@pytest.mark.parametrize("number", REFERENCE)
def test_the_reference_experiments_overfit_as_their_figures_say(number: int) -> None:
    train, val, severity = REFERENCE[number]
    finding = found(history(level(val), train_accuracy=level(train))).get("overfitting")
    assert (finding.severity if finding else None) == severity
    if finding:
        assert finding.values == pytest.approx((train, val, train - val))
        assert f"{train:.3f}" in finding.message


@pytest.mark.parametrize("number", REFERENCE)
def test_the_reference_experiments_underfit_where_training_leads_the_error(number: int) -> None:
    train, val, severity = REFERENCE[number]
    finding = found(history(level(val), train_accuracy=level(train))).get("underfitting")
    # The two parts of one error: what overfits much does not underfit.
    assert (finding is not None) == (severity in ("low", None))
    # 9 learnt (0.45 - 1/29) / (28/29) = 0.43 of what there is; 11 0.52, 12 0.58, 10 0.72.
    expected = {9: "high", 10: "medium", 11: "medium", 12: "medium"}
    assert (finding.severity if finding else None) == expected.get(number)


def test_regularisation_closes_the_gap_of_experiment_6_step_by_step() -> None:
    gaps = []
    for number in (6, 7, 8, 10):
        train, val, _ = REFERENCE[number]
        gaps.append(
            found(history(level(val), train_accuracy=level(train)))["overfitting"].values[2]
        )
    assert gaps == sorted(gaps, reverse=True)


def test_a_gap_opens_after_the_last_epoch_at_which_it_could_be_chance() -> None:
    # sqrt(0.6 * 0.4 / 1450) = 0.0129; 1.96 sqrt(2) of that is 0.0357.
    train = [0.60] * 10 + [0.63] + [0.64] * 19
    finding = found(history(level(0.60), train_accuracy=train))["overfitting"]
    assert finding.epochs == (12, 30)
    assert "open since epoch 12 (training 0.640, validation 0.600)" in finding.message


@pytest.mark.parametrize(("n_val", "is_found"), [(1450, True), (200, False)])
def test_a_gap_counts_only_if_so_many_images_can_show_it(n_val: int, is_found: bool) -> None:
    one = history(level(0.60), train_accuracy=level(0.66))
    assert ("overfitting" in found(one, n_val=n_val)) == is_found


def test_a_nearly_perfect_network_overfits_medium_at_most() -> None:
    # Half of a gap of 0.03 is less than 270 images show: sqrt(0.97 * 0.03 / 270) * 2.77 = 0.029.
    one = history(level(0.97), train_accuracy=level(1.0))
    assert found(one, n_val=270, n_classes=10)["overfitting"].severity == "medium"
    assert "overfitting" not in found(
        history(level(0.975), train_accuracy=level(1.0)), n_val=270, n_classes=10
    )


def test_overfitting_names_what_regularises_already_and_the_loss_that_turned() -> None:
    loss = [*approach(3.0, 1.0, 3, 10), *[1.0 + 0.1 * k for k in range(20)]]
    one = history(
        level(0.6),
        train_accuracy=level(0.9),
        val_loss=loss,
        params={"dense_drop_rate": 0.2, "l2_1": 1e-4, "pool": "max", "drop_rate_1": 0.0},
    )
    finding = found(one)["overfitting"]
    assert "dense_drop_rate 0.2, l2_1 0.0001" in finding.next_step
    assert "drop_rate_1" not in finding.next_step
    assert "validation loss was lowest at epoch 11 (1.000)" in finding.message


def test_without_a_training_curve_nothing_is_said_of_the_fit() -> None:
    assert not {"overfitting", "underfitting"} & found(history(level(0.5))).keys()
    nan = history(level(0.5), train_accuracy=[math.nan] * 30)
    assert found(nan).keys() == {"diverged"}


def test_what_dropout_hides_in_training_is_read_from_validation() -> None:
    one = history(level(0.975), train_accuracy=level(0.70))
    assert "underfitting" not in found(one, n_val=270)
    finding = found(history(level(0.70), train_accuracy=level(0.30)))["underfitting"]
    assert finding.severity == "medium"  # (0.70 - 1/29) / (28/29) = 0.69
    assert "validation is the better one" in finding.message


def test_a_pruned_trial_had_no_time_to_fit() -> None:
    one = history(level(0.5), train_accuracy=level(0.5))
    assert "underfitting" in found(one)
    assert "underfitting" not in found(replace(one, state="pruned"))


@pytest.mark.parametrize("train", [0.9, 1.0])
def test_a_network_that_has_all_right_is_not_divided_by_zero(train: float) -> None:
    one = history(level(1.0), train_accuracy=level(train))
    assert not {"overfitting", "underfitting"} & found(one).keys()
