"""Constructed learning curves, for the tests of every rule."""

from collections.abc import Iterable, Mapping

import numpy as np

from search.diagnosis import Finding, diagnose
from search.files.history import History
from search.space.values import Value

EPOCHS = 30
N_VAL, N_CLASSES = 1450, 29
"""MAMe's."""


def history(
    val: Iterable[float],
    *,
    number: int = 0,
    state: str = "complete",
    params: Mapping[str, Value] | None = None,
    failure: str | None = None,
    curves: Mapping[str, Iterable[float]] | None = None,
    **more_curves: Iterable[float],
) -> History:
    values = tuple(map(float, val))
    named = {**(curves or {}), **more_curves}
    return History(
        number=number,
        state=state,
        epochs=tuple(range(1, len(values) + 1)),
        values=values,
        metrics={name: tuple(map(float, column)) for name, column in named.items()},
        params=params or {},
        failure=failure,
    )


def level(value: float, n: int = EPOCHS) -> list[float]:
    return [value] * n


def approach(start: float, end: float, time_constant: float, n: int = EPOCHS) -> list[float]:
    """An exponential approach: what a training curve looks like without noise."""
    return [end + (start - end) * np.exp(-epoch / time_constant) for epoch in range(n)]


def found(
    one: History, *, n_val: int = N_VAL, n_classes: int = N_CLASSES, epochs: int = EPOCHS
) -> dict[str, Finding]:
    """Return the findings by rule."""
    findings = diagnose(one, n_val=n_val, n_classes=n_classes, epochs=epochs)
    return {finding.rule: finding for finding in findings}
