"""Where in their ranges the best trials lie: boundaries that they hit, and parameters that depend.

Both are simple stated measures, to be read beside the plots: how many of the best trials lie in
the outer tenth of a range, and whether two parameters together do what neither does alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial, TrialState
from scipy import stats

from search.diagnosis.advice import PENALTIES, plain
from search.space import wording
from search.trials.reading import Point, best_value, point, ranked

N_BEST = 5
"""The best trials that are looked at."""
N_AT_END = 4
"""So many of them lie at an end that it is hit; three of five do in many a random draw."""
END_SHARE = 0.1
"""The outer tenth of a range, on its own scale, is its end."""
P_END = 0.05
"""Of any end being told where all values are equally good: shared among the ends (Bonferroni)."""
_MOST = {"flip_horizontal": 0.5, "flip_vertical": 0.5, "rotation_degrees": 180}
"""Nothing is more random than every second image, or turns further than by half a circle."""
_NO_PENALTY = 1e-6
"""A coefficient as good as none: of 1,000,000 weights of 0.1 it adds 0.01 to the loss as L2."""
MIN_CELL = 5
"""Trials in each of the groups that are compared."""
_ROUNDING = 1e-9
"""What means of equal values may differ by."""
P_INTERACTION = 0.05
"""Of any pair being told where none interacts: shared among the pairs (Bonferroni)."""


@dataclass(frozen=True)
class Boundary:
    """An end of a range at which the best trials lie."""

    name: str
    end: str
    """`upper` or `lower`."""
    p_value: float
    message: str


@dataclass(frozen=True)
class Interaction:
    """Two parameters whose effects depend on one another."""

    names: tuple[str, str]
    p_value: float
    """Corrected for the number of pairs."""
    message: str


def boundaries(
    trials: Sequence[FrozenTrial], space_json: Mapping[str, Any]
) -> tuple[Boundary, ...]:
    """Return the ends of ranges at which the best five different trials lie.

    So many would not lie there if all values were equally good and drawn evenly. A sampler that
    learns draws more where early trials were lucky: trials at the end must also be better than
    the others are (Mann-Whitney U), where there are others. Both corrected for all ends.
    """
    best, complete = _best(trials), ranked(trials)
    tested = [
        (row, end)
        for row in space_json["parameters"]
        for end in ("upper", "lower")
        if _can_be_hit(row, end) and sum(row["name"] in trial.params for trial in best) == N_BEST
    ]
    found = []
    for row, end in tested:
        n_at_end = sum(_is_at(row, end, trial) for trial in best)
        by_chance = float(stats.binom.sf(n_at_end - 1, N_BEST, chance(row, end)))
        p_value = len(tested) * max(by_chance, _luck(row, end, complete))
        if n_at_end >= N_AT_END and p_value < P_END:
            found.append(_boundary(row, end, n_at_end, p_value))
    return tuple(found)


def interactions(
    trials: Sequence[FrozenTrial], space_json: Mapping[str, Any]
) -> tuple[Interaction, ...]:
    """Return the pairs of parameters that interact, the clearest first.

    Each parameter is cut in two (a range at the median of its trials, a choice into its two most
    frequent options); the measure is the difference of differences of the mean values in the four
    cells, over its standard error, each cell with its own variance (Welch 1947). Of ranks, effects
    that only add up would seem to interact; diverged trials make this miss some, and invent none.
    """
    scored = [(trial, value) for trial in trials if (value := _value(trial)) is not None]
    if not scored:
        return ()
    values = np.array([value for _, value in scored])
    halves = {}
    for row in space_json["parameters"]:
        half = _halves(row, [trial.params.get(row["name"]) for trial, _ in scored])
        if half is not None:
            halves[row["name"]] = half
    tested = [
        (pair, contrast)
        for pair in combinations(halves, 2)
        if (contrast := _contrast(halves[pair[0]], halves[pair[1]], values)) is not None
    ]
    found = [
        Interaction(
            pair, min(1.0, p * len(tested)), _told(halves[pair[0]], halves[pair[1]], values)
        )
        for pair, p in tested
        if p * len(tested) < P_INTERACTION
    ]
    return tuple(sorted(found, key=lambda one: one.p_value))


@dataclass(frozen=True)
class _Halves:
    """A parameter cut in two."""

    words: tuple[str, str]
    side: npt.NDArray[np.int64]
    """0 or 1, and -1 for a trial on neither, [N]."""


def _best(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the best complete trials, of equal parameters the first."""
    best: dict[Point, FrozenTrial] = {}
    for trial in ranked(trials):
        best.setdefault(point(trial.params), trial)
    return list(best.values())[:N_BEST]


def _can_be_hit(row: Mapping[str, Any], end: str) -> bool:
    """Tell whether anything lies beyond an end of a parameter's range."""
    if row["kind"] == "choice" or row["low"] == row["high"]:
        return False
    if end == "upper":
        return bool(row["high"] < _MOST.get(row["name"], math.inf))
    if plain(row["name"]) in PENALTIES and row["low"] <= _NO_PENALTY:
        return False
    # Nothing lies below a rate of 0, or below 1 of what is counted.
    return bool(row["low"] > (1 if row["kind"] == "int" else 0))


def _is_at(row: Mapping[str, Any], end: str, trial: FrozenTrial) -> bool:
    """Tell whether a trial's value lies in the outer tenth, on the range's own scale."""
    low, high, at = (
        (math.log(number) if row["log"] else number)
        for number in (row["low"], row["high"], trial.params[row["name"]])
    )
    share = (at - low) / (high - low)
    return bool(share >= 1 - END_SHARE if end == "upper" else share <= END_SHARE)


def chance(row: Mapping[str, Any], end: str) -> float:
    """Return how often a value at an end is drawn, if a range is drawn from evenly."""
    low, high, step = row["low"], row["high"], row["step"]
    if row["log"] and row["kind"] == "int":  # as Optuna rounds from half below to half above
        width = math.log(high + 0.5) - math.log(low - 0.5)
        if end == "upper":
            first = math.ceil(low * (high / low) ** (1 - END_SHARE))
            return (math.log(high + 0.5) - math.log(first - 0.5)) / width
        last = math.floor(low * (high / low) ** END_SHARE)
        return (math.log(last + 0.5) - math.log(low - 0.5)) / width
    if row["log"] or step is None:
        return END_SHARE
    n_steps = round((high - low) / step)
    return float((math.floor(END_SHARE * n_steps) + 1) / (n_steps + 1))


def _luck(row: Mapping[str, Any], end: str, trials: Sequence[FrozenTrial]) -> float:
    """Return the probability of trials at an end being so much better by luck; 0 of few others."""
    own = [trial for trial in trials if row["name"] in trial.params]
    inside = [trial.value for trial in own if _is_at(row, end, trial)]
    others = [trial.value for trial in own if not _is_at(row, end, trial)]
    if len(others) < MIN_CELL or not inside:
        return 0.0
    return float(stats.mannwhitneyu(inside, others, alternative="greater").pvalue)


def _boundary(row: Mapping[str, Any], end: str, n_at_end: int, p_value: float) -> Boundary:
    name = row["name"]
    all_of = "" if n_at_end == N_BEST else f"{n_at_end} of "
    return Boundary(
        name,
        end,
        p_value,
        f"{all_of}the best {N_BEST} trials sit at the {end} end of {name} "
        f"({wording.values(row)}): widen it",
    )


def _value(trial: FrozenTrial) -> float | None:
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return None
    value = best_value(trial)
    return value if value is not None and math.isfinite(value) else None


def _halves(row: Mapping[str, Any], values: Sequence[Any]) -> _Halves | None:
    there = [value for value in values if value is not None]
    if row["kind"] == "choice":
        options = sorted(row["options"], key=lambda option: -there.count(option))[:2]
        if len(options) < 2:
            return None
        side = [options.index(value) if value in options else -1 for value in values]
        return _Halves((f"{row['name']} {options[0]}", f"{row['name']} {options[1]}"), _int(side))
    cuts = sorted(set(there))[1:]
    if not cuts:
        return None
    cut = min(cuts, key=lambda one: abs(sum(value < one for value in there) - len(there) / 2))
    side = [-1 if value is None else int(value >= cut) for value in values]
    return _Halves((f"{row['name']} < {cut:.3g}", f"{row['name']} >= {cut:.3g}"), _int(side))


def _int(side: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.asarray(side, dtype=np.int64)


def _cells(
    first: _Halves, second: _Halves, numbers: npt.NDArray[np.float64]
) -> list[npt.NDArray[np.float64]]:
    """Return the numbers in the cells low-low, low-high, high-low, high-high."""
    return [
        numbers[(first.side == one) & (second.side == other)] for one in (0, 1) for other in (0, 1)
    ]


def _contrast(first: _Halves, second: _Halves, values: npt.NDArray[np.float64]) -> float | None:
    """Return the probability of such a difference of differences by chance."""
    cells = _cells(first, second, values)
    if min(map(len, cells)) < MIN_CELL:
        return None
    low_low, low_high, high_low, high_high = (float(cell.mean()) for cell in cells)
    difference = high_high - high_low - low_high + low_low
    shares = [float(cell.var(ddof=1)) / len(cell) for cell in cells]
    variance = sum(shares)
    if math.sqrt(variance) < _ROUNDING:
        return 0.0 if abs(difference) > _ROUNDING else 1.0
    n_free = variance**2 / sum(
        share**2 / (len(cell) - 1) for share, cell in zip(shares, cells, strict=True)
    )
    return float(2 * stats.t.sf(abs(difference) / math.sqrt(variance), n_free))


def _told(first: _Halves, second: _Halves, values: npt.NDArray[np.float64]) -> str:
    """Write the medians of the four cells: `lr < 0.01: 0.71 with depth < 3, 0.64 with ...`."""
    medians = [float(np.median(cell)) for cell in _cells(first, second, values)]
    return "; ".join(
        f"{word}: {medians[2 * k]:.3f} with {second.words[0]}, "
        f"{medians[2 * k + 1]:.3f} with {second.words[1]}"
        for k, word in enumerate(first.words)
    )
