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

from search.space import wording
from search.trials.reading import Point, best_value, point, ranked

N_BEST = 5
"""The best trials that are looked at."""
N_AT_END = 4
"""So many of them lie at an end that it is hit; three of five do in many a random draw."""
END_SHARE = 0.1
"""The outer tenth of a range, on its own scale, is its end."""
P_END = 0.05
"""Of so many of the best at an end of a range where all values are equally good."""
MIN_CELL = 5
"""Trials in each of the four cells that an interaction is read from."""
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
    """Return the ends of ranges at which the best five different trials lie."""
    best = _best(trials)
    found = []
    for row in space_json["parameters"]:
        values = [trial.params[row["name"]] for trial in best if row["name"] in trial.params]
        if row["kind"] == "choice" or row["low"] == row["high"] or len(values) < N_BEST:
            continue
        shares = [_share(row, float(value)) for value in values]
        for end, n_at_end in (
            ("upper", sum(share >= 1 - END_SHARE for share in shares)),
            ("lower", sum(share <= END_SHARE for share in shares)),
        ):
            # Nothing lies below a rate of 0, or below 1 of what is counted.
            least = 1 if row["kind"] == "int" else 0
            is_natural = end == "lower" and row["low"] <= least
            p_value = float(stats.binom.sf(n_at_end - 1, len(values), _chance(row)))
            if n_at_end >= N_AT_END and p_value < P_END and not is_natural:
                found.append(_boundary(row, end, n_at_end, p_value))
    return tuple(found)


def interactions(
    trials: Sequence[FrozenTrial], space_json: Mapping[str, Any]
) -> tuple[Interaction, ...]:
    """Return the pairs of parameters that interact, the clearest first.

    Each parameter is cut in two (a range at the median of its trials, a choice into its two most
    frequent options); the measure is the difference of differences of the mean ranks of values in
    the four cells, over its standard error. Ranks, as diverged trials would rule any mean.
    """
    scored = [(trial, value) for trial in trials if (value := _value(trial)) is not None]
    if not scored:
        return ()
    values = np.array([value for _, value in scored])
    ranks = stats.rankdata(values) / len(values)
    halves = {}
    for row in space_json["parameters"]:
        half = _halves(row, [trial.params.get(row["name"]) for trial, _ in scored])
        if half is not None:
            halves[row["name"]] = half
    tested = [
        (pair, contrast)
        for pair in combinations(halves, 2)
        if (contrast := _contrast(halves[pair[0]], halves[pair[1]], ranks)) is not None
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


def _share(row: Mapping[str, Any], value: float) -> float:
    """Return where in its range a value lies, from 0 to 1 on the range's own scale."""
    low, high, at = (
        (math.log(number) if row["log"] else number) for number in (row["low"], row["high"], value)
    )
    return float((at - low) / (high - low))


def _chance(row: Mapping[str, Any]) -> float:
    """Return the share of a range's values that are at an end."""
    if row["log"] or row["step"] is None:
        return END_SHARE
    n_steps = round((row["high"] - row["low"]) / row["step"])
    return float((math.floor(END_SHARE * n_steps) + 1) / (n_steps + 1))


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


def _contrast(first: _Halves, second: _Halves, ranks: npt.NDArray[np.float64]) -> float | None:
    """Return the probability of such a difference of differences by chance."""
    cells = _cells(first, second, ranks)
    if min(map(len, cells)) < MIN_CELL:
        return None
    n_free = sum(map(len, cells)) - 4
    variance = sum(float(((cell - cell.mean()) ** 2).sum()) for cell in cells) / n_free
    error = math.sqrt(variance * sum(1 / len(cell) for cell in cells))
    low_low, low_high, high_low, high_high = (float(cell.mean()) for cell in cells)
    difference = high_high - high_low - low_high + low_low
    if error == 0:
        return 0.0 if difference else 1.0
    return float(2 * stats.t.sf(abs(difference) / error, n_free))


def _told(first: _Halves, second: _Halves, values: npt.NDArray[np.float64]) -> str:
    """Write the medians of the four cells: `lr < 0.01: 0.71 with depth < 3, 0.64 with ...`."""
    medians = [float(np.median(cell)) for cell in _cells(first, second, values)]
    return "; ".join(
        f"{word}: {medians[2 * k]:.3f} with {second.words[0]}, "
        f"{medians[2 * k + 1]:.3f} with {second.words[1]}"
        for k, word in enumerate(first.words)
    )
