"""Curves of the best validation accuracy so far against time, and what is read off them.

A curve is made of steps: at each of its points a better value was seen, and holds until the
next. Before its first point nothing is known, which counts as 0.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median

Curve = tuple[tuple[float, float], ...]
"""(seconds, value) of each improvement; both rise."""


def best_so_far(seen: Iterable[tuple[float, float]]) -> Curve:
    """Return the curve of values (seconds, value) in the order in which they were seen."""
    curve: list[tuple[float, float]] = []
    for when_s, value in seen:
        if not curve or value > curve[-1][1]:
            curve.append((when_s, value))
    return tuple(curve)


def value_at(curve: Curve, when_s: float) -> float:
    """Return the best value seen until then."""
    return max((value for seen_s, value in curve if seen_s <= when_s), default=0.0)


def seconds_to(curve: Curve, level: float) -> float:
    """Return when a value of at least this level was first seen; infinity if never."""
    return next((seen_s for seen_s, value in curve if value >= level), math.inf)


def mean_height(curve: Curve, until_s: float) -> float:
    """Return the area under the curve from 0 to then, divided by that time."""
    ends = [*(min(seen_s, until_s) for seen_s, _ in curve[1:]), until_s]
    steps = zip(curve, ends, strict=False)  # a curve without points has an end, and no step
    return sum(value * max(0.0, end - start) for (start, value), end in steps) / until_s


def median_curve(curves: Sequence[Curve]) -> Curve:
    """Return the curve whose value at any time is the median of the curves' values."""
    times = sorted({seen_s for curve in curves for seen_s, _ in curve})
    medians = ((t, median(value_at(curve, t) for curve in curves)) for t in times)
    return best_so_far((t, value) for t, value in medians if value > 0)
