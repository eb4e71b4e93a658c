"""Importance with planted effects: what matters is found, and noise is not."""

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.comparing.importance import importance, n_best, range_of

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "depth": IntDistribution(1, 4),
    "pool": CategoricalDistribution(("max", "average")),
    "drop_rate": FloatDistribution(0.0, 0.5, step=0.1),
}


def _trials(n: int, *, effect: float, seed: int = 0, n_pruned: int = 0) -> list[FrozenTrial]:
    """Return trials whose value is best at a learning rate of 1, plus noise."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(n):
        log_lr = float(rng.uniform(-4, 0))
        params = {
            "lr": 10**log_lr,
            "depth": int(rng.integers(1, 5)),
            "pool": str(rng.choice(["max", "average"])),
            "drop_rate": float(rng.integers(0, 6)) / 10,
        }
        value = 0.5 + effect * (log_lr + 4) / 4 + float(rng.normal(0, 0.05))
        is_pruned = number < n_pruned
        trials.append(
            create_trial(
                state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
                value=None if is_pruned else value,
                params=params,
                distributions=DISTRIBUTIONS,
                intermediate_values={1: value - 0.01, 2: value},
            )
        )
    return trials


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save time where bands and probabilities are not what is tested."""
    monkeypatch.setattr("search.comparing.importance.N_RESAMPLES", 4)


def test_the_parameter_that_decides_is_the_most_important_and_no_chance() -> None:
    found = importance(_trials(60, effect=0.4))
    assert found.rows[0].name == "lr"
    assert [row.name for row in found.rows if row.is_above_chance] == ["lr"]
    assert sum(row.share for row in found.rows) == pytest.approx(1)
    assert all(row.low <= row.share <= row.high for row in found.rows)
    assert found.message.startswith(
        "PED-ANOVA of being among the best 6 of 60 trials (60 complete"
    )
    low = float(found.rows[0].best.split("..")[0])
    assert low > 0.05  # the best tenth of a range that ends with the best


@pytest.mark.usefixtures("few_resamples")
def test_shares_are_those_of_optuna_for_the_same_study() -> None:
    trials = _trials(60, effect=0.4)
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    expected = get_param_importances(
        study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.1)
    )
    found = {row.name: row.share for row in importance(trials).rows}
    assert found == pytest.approx(expected)


@pytest.mark.usefixtures("few_resamples")
def test_high_values_are_the_good_ones() -> None:
    # An effect that matters at its low end alone would be ranked high by a minimiser.
    trials = _trials(60, effect=0.4)
    rows = {row.name: row for row in importance(trials).rows}
    best = max(trials, key=lambda trial: trial.value or 0)
    low, high = map(float, rows["lr"].best.split(".."))
    assert low <= best.params["lr"] * 1.01
    assert best.params["lr"] <= high * 1.01


def test_where_nothing_matters_nothing_is_above_chance() -> None:
    n_found = sum(
        any(row.is_above_chance for row in importance(_trials(40, effect=0.0, seed=seed)).rows)
        for seed in range(3)
    )
    assert n_found <= 1  # 0.15 expected; more in one case of 140


def test_bands_narrow_with_more_trials() -> None:
    few, many = (importance(_trials(n, effect=0.2)).rows for n in (30, 100))
    widths = [rows[0].high - rows[0].low for rows in (few, many)]
    assert widths[1] < widths[0]


@pytest.mark.usefixtures("few_resamples")
def test_pruned_trials_count_by_the_best_that_they_reached() -> None:
    found = importance(_trials(60, effect=0.4, n_pruned=45))
    assert (found.n, found.n_complete, found.n_pruned) == (60, 15, 45)
    assert found.rows == importance(_trials(60, effect=0.4)).rows


@pytest.mark.parametrize("n", [0, 1, 19])
def test_too_few_trials_are_said_to_be_too_few(n: int) -> None:
    found = importance(_trials(n, effect=0.4))
    assert found.rows == ()
    assert found.message.startswith(f"too few trials: {n} trials (")


def test_equal_values_tell_nothing() -> None:
    trials = _trials(30, effect=0.0)
    for trial in trials:
        trial.value = 0.5
    found = importance(trials)
    assert found.rows == ()
    assert "all with the same value" in found.message


@pytest.mark.usefixtures("few_resamples")
def test_a_conditional_parameter_is_counted_where_it_exists() -> None:
    trials = _trials(60, effect=0.4)
    for trial in trials:
        if trial.params["depth"] < 3:
            trial.params = {k: v for k, v in trial.params.items() if k != "drop_rate"}
            trial.distributions = {
                k: v for k, v in trial.distributions.items() if k != "drop_rate"
            }
    rows = {row.name: row for row in importance(trials).rows}
    assert rows["drop_rate"].n == sum(trial.params["depth"] >= 3 for trial in trials)
    assert rows["lr"].n == 60


@pytest.mark.usefixtures("few_resamples")
def test_the_same_seed_gives_the_same_bands() -> None:
    trials = _trials(30, effect=0.2)
    assert importance(trials, seed=1) == importance(trials, seed=1)
    assert importance(trials, seed=1) != importance(trials, seed=2)


@pytest.mark.parametrize(("n", "expected"), [(20, 5), (50, 5), (51, 6), (500, 50)])
def test_the_best_are_a_tenth_but_at_least_five(n: int, expected: int) -> None:
    assert n_best(n) == expected


def test_ranges_are_written_as_they_are_read() -> None:
    assert range_of([0.002, 0.0001, 0.001]) == "0.0001..0.002"
    assert range_of([3, 3]) == "3"
    assert range_of(["max", "average", "max"]) == "max (2), average (1)"
    assert range_of([]) == "none has it"
