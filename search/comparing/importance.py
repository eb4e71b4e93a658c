"""Which parameters mattered, how sure that is, and which values the best trials have.

PED-ANOVA (Watanabe, Bansal and Hutter 2023; for conditional parameters Optuna's extension of it)
asks how the distribution of a parameter among the best trials differs from that among all. It
needs no model of the values, only who is among the best: so pruned trials count too, by the best
value that they reached, where other measures see the survivors alone.
"""

import math
import warnings
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import InMemoryStorage
from optuna.study import Study, create_study
from optuna.trial import FrozenTrial, TrialState

from search.space.values import Value
from search.trials.reading import best_value

TOP_SHARE = 0.1
"""The best tenth, PED-ANOVA's and Optuna's default."""
MIN_TOP = 5
"""Optuna's documentation asks for at least five trials among the best."""
MIN_TRIALS = 20
"""Fewer trials would make the best five more than a quarter of all: too few."""
N_RESAMPLES = 40
"""Halves, and shufflings: the least probability that can be told is 1 in 41. Each costs as much
time as there are trials times parameters: 40 of 500 trials and 20 parameters take seconds."""
BAND = (5.0, 95.0)
"""Percentiles of the stability band."""
P_CHANCE = 0.05
"""Of any parameter being called important where none is."""


@dataclass(frozen=True)
class ParameterImportance:
    """How much a parameter mattered."""

    name: str
    share: float
    """Of all parameters' importances, which add up to 1."""
    low: float
    """The stability band: where the share is in nine of ten halves of the trials."""
    high: float
    p_value: float
    """Of as much by chance, in any parameter, if values had nothing to do with parameters."""
    n: int
    """Trials that have the parameter."""
    best: str
    """What the best trials have: `1e-4..2e-3`, or options with counts."""

    @property
    def is_above_chance(self) -> bool:
        """Whether the parameter mattered at all, as far as these trials show."""
        return self.p_value < P_CHANCE


@dataclass(frozen=True)
class Importance:
    """The parameters by importance; none where there are too few trials."""

    rows: tuple[ParameterImportance, ...]
    n_complete: int
    n_pruned: int
    message: str
    """On what this stands, or why there is nothing."""

    @property
    def n(self) -> int:
        """Trials that were counted."""
        return self.n_complete + self.n_pruned


@dataclass(frozen=True)
class _Scored:
    trial: FrozenTrial
    value: float


def importance(trials: Sequence[FrozenTrial], *, seed: int = 0) -> Importance:
    """Return how much each parameter mattered for being among the best trials.

    Complete and pruned trials count, with the best value that each reached.
    """
    scored = [
        _Scored(trial, value)
        for trial in trials
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        and (value := best_value(trial)) is not None
        and math.isfinite(value)
    ]
    n_complete = sum(one.trial.state == TrialState.COMPLETE for one in scored)
    n, n_top = len(scored), n_best(len(scored))
    counts = f"{n} trials ({n_complete} complete, {n - n_complete} pruned)"
    if n < MIN_TRIALS:
        message = f"too few trials: {counts}; importance needs {MIN_TRIALS}"
        return Importance((), n_complete, n - n_complete, message)
    if len({one.value for one in scored}) == 1:
        message = f"{counts}, all with the same value: nothing is better than anything"
        return Importance((), n_complete, n - n_complete, message)
    return Importance(
        _rows(scored, n_top, np.random.default_rng(seed)),
        n_complete,
        n - n_complete,
        f"PED-ANOVA of being among the best {n_top} of {counts}; bands from {N_RESAMPLES} halves "
        "of the trials",
    )


def n_best(n_trials: int) -> int:
    """Return how many trials are called the best."""
    return max(MIN_TOP, math.ceil(TOP_SHARE * n_trials))


def _rows(
    scored: Sequence[_Scored], n_top: int, rng: np.random.Generator
) -> tuple[ParameterImportance, ...]:
    values = np.array([one.value for one in scored])
    trials = [one.trial for one in scored]
    names = sorted({name for trial in trials for name in trial.params})
    quantile = n_top / len(scored)
    raw = _ped_anova(trials, values, quantile, names)
    bands = _bands(trials, values, quantile, names, rng)
    p_values = _p_values(raw, trials, values, quantile, names, rng)
    order = sorted(range(len(scored)), key=lambda index: -values[index])[:n_top]
    best = [trials[index].params for index in order]
    rows = [
        ParameterImportance(
            name=name,
            share=float(share),
            low=float(min(low, share)),
            high=float(max(high, share)),
            p_value=float(p_value),
            n=sum(name in trial.params for trial in trials),
            best=range_of([params[name] for params in best if name in params]),
        )
        for name, share, low, high, p_value in zip(
            names, _shares(raw), *bands, p_values, strict=True
        )
    ]
    return tuple(sorted(rows, key=lambda row: (-row.share, row.name)))


def _bands(
    trials: Sequence[FrozenTrial],
    values: np.ndarray,
    quantile: float,
    names: Sequence[str],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bands of the shares, [P] each.

    Halves without replacement vary as much as the whole does and repeat no trial (McCarthy 1969);
    repeated trials would look like a narrow peak to a density.
    """
    shares = []
    for _ in range(N_RESAMPLES):
        half = rng.choice(len(trials), len(trials) // 2, replace=False)
        shares.append(
            _shares(_ped_anova([trials[k] for k in half], values[half], quantile, names))
        )
    low, high = np.percentile(np.array(shares), BAND, axis=0)
    return low, high


def _p_values(
    raw: np.ndarray,
    trials: Sequence[FrozenTrial],
    values: np.ndarray,
    quantile: float,
    names: Sequence[str],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the probabilities of importances as high if values are shuffled, [P].

    Importances are counted in multiples of each parameter's mean under shuffling, and compared
    with the largest of all parameters: corrected for their number (Westfall and Young 1993).
    """
    null = np.array(
        [_ped_anova(trials, rng.permutation(values), quantile, names) for _ in range(N_RESAMPLES)]
    )
    # With the observed one, which under no effect is one order of values like any other.
    mean = np.maximum(np.vstack([null, raw]).mean(axis=0), np.finfo(float).tiny)
    largest = (null / mean).max(axis=1)
    return np.array([(1 + np.sum(largest >= one)) / (1 + N_RESAMPLES) for one in raw / mean])


@cache
def _empty() -> tuple[str, InMemoryStorage]:
    """Return a study without trials: its name, and where it is."""
    storage = InMemoryStorage()
    # Without a target, Optuna takes the study's direction; with one, it would minimise.
    return create_study(storage=storage, direction="maximize").study_name, storage


class _Snapshot(Study):
    """A study of given trials, which it neither copies nor checks: dozens are made."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        super().__init__(*_empty())
        self._trials = trials

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._trials


def _ped_anova(
    trials: Sequence[FrozenTrial], values: np.ndarray, quantile: float, names: Sequence[str]
) -> np.ndarray:
    """Return the importances by name, [P]; 0 for a parameter that no trial has."""
    study = _Snapshot(
        [
            FrozenTrial(
                number=number,
                trial_id=number,
                state=TrialState.COMPLETE,
                value=float(value),
                datetime_start=trial.datetime_start,
                datetime_complete=trial.datetime_complete,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs={},
                system_attrs={},
                intermediate_values={},
            )
            for number, (trial, value) in enumerate(zip(trials, values, strict=True))
        ]
    )
    there = [name for name in names if any(name in trial.params for trial in trials)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few trials in a regime; that is what bands are for
        found = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=quantile),
            params=there,
            normalize=False,
        )
    return np.array([found.get(name, 0.0) for name in names])


def _shares(raw: np.ndarray) -> np.ndarray:
    total = raw.sum()
    return raw / total if total > 0 else np.full(len(raw), 1 / max(1, len(raw)))


def range_of(values: Sequence[Value]) -> str:
    """Write what trials have of one parameter: the ends of numbers, options with counts."""
    if not values:
        return "none has it"
    if any(isinstance(value, str) for value in values):
        counts = {value: values.count(value) for value in sorted(set(values), key=str)}
        most = sorted(counts, key=lambda value: -counts[value])
        return ", ".join(f"{value} ({counts[value]})" for value in most)
    low, high = min(values, key=float), max(values, key=float)
    return f"{low:.3g}..{high:.3g}" if low != high else f"{low:.3g}"
