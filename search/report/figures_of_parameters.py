"""Figures of what parameters do: slices and parallel coordinates.

Pure: trials and the space's plain form in, a plotly figure out. Parallel coordinates are drawn as
plain lines: plotly's own need WebGL, cannot show parameters that a trial lacks, and print badly.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from search.report.scale import Scale
from search.report.style import (
    BLUE,
    DIM,
    FAINT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    axis_title,
    escaped,
    make_figure,
    params_hover,
    shortened,
)
from search.space import wording
from search.trials.reading import best_value

_GOLDEN = 0.6180339887
"""The fractional parts of its multiples lie evenly: a jitter that is always the same."""
_N_CLEAR = 50
"""Complete trials whose lines can still be followed; those of more are drawn lighter."""
_N_TOLD = 200
"""Complete trials that are told when pointed at; more would make the page heavy."""
_ABSENT = -0.12
"""Where parallel coordinates put a parameter that a trial does not have; ranges are 0 to 1."""
_GROUPS = (("best tenth", 0.9, ORANGE), ("best quarter", 0.75, BLUE), ("best half", 0.5, GREEN))
"""Of the complete trials, by the quantile of their values from which they belong to it."""


def slices(
    trials: Sequence[FrozenTrial],
    row: Mapping[str, Any],
    metric: str = "value",
    *,
    title: str = "",
) -> go.Figure:
    """Draw values against one parameter.

    Args:
        row: the parameter's plain form.
    """
    name, options = row["name"], Scale(row).options
    there = [trial for trial in trials if name in trial.params]
    traces = [
        _slice(there, TrialState.PRUNED, name, options, "circle-open", FAINT),
        _slice(there, TrialState.COMPLETE, name, options, "circle", BLUE),
    ]
    x = {"title": axis_title(name), **Scale(row).axis()}
    return make_figure(
        traces,
        height=240 if title else 215,
        title=title,
        x=x,
        y={"title": axis_title(metric)},
        margin={"l": 8, "r": 8, "t": 48 if title else 8, "b": 8},
    )


def parallel_coordinates(
    trials: Sequence[FrozenTrial], rows: Sequence[Mapping[str, Any]], *, title: str = ""
) -> go.Figure:
    """Draw each complete trial as a line through its parameters, coloured by its value.

    A parameter that a trial does not have is passed below the axis.
    """
    complete = [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE
        and trial.value is not None
        and math.isfinite(trial.value)
    ]
    scales = [Scale(row) for row in rows]
    values = np.array([trial.value for trial in complete])
    traces = [
        _lines(members, scales, label, colour, len(complete))
        for label, members, colour in _groups(complete, values)
    ]
    return make_figure(
        traces[::-1],  # the best on top
        height=400,
        title=title,
        x={
            "tickvals": list(range(len(rows))),
            "ticktext": [shortened(row["name"], 24) for row in rows],
            "tickangle": -35 if len(rows) > 5 else 0,
            "range": [-0.3, len(rows) - 0.4],
            "gridcolor": FAINT,
        },
        y={"visible": False, "range": [_ABSENT - 0.06, 1.08]},
        showlegend=True,
        margin={"l": 70, "r": 24, "t": 60 if title else 30, "b": 8},
        annotations=[*_marks(scales), *_absent(complete, scales)],
    )


def _lines(
    trials: Sequence[FrozenTrial], scales: Sequence[Scale], label: str, colour: str, n_drawn: int
) -> go.Scatter:
    """Return the lines of some of the trials that are drawn; of few it tells each one's values."""
    x: list[float | None] = []
    y: list[float | None] = []
    said: list[str | None] = []
    for trial in trials:
        about = f"<b>trial {trial.number}</b>: {trial.value:.4f}<br>{params_hover(trial.params)}"
        x += [*range(len(scales)), None]
        y += [*(_place(trial, scale) for scale in scales), None]
        said += [about if n_drawn <= _N_TOLD else None, *[None] * len(scales)]
    is_rest = colour == DIM
    return go.Scatter(
        x=x,
        y=y,
        text=said,
        mode="lines",
        line={"color": colour, "width": 0.8 if is_rest else 1.5},
        opacity=0.45 if is_rest or n_drawn > _N_CLEAR else 0.85,
        name=label,
        hovertemplate="%{text}<extra></extra>" if n_drawn <= _N_TOLD else None,
        hoverinfo=None if n_drawn <= _N_TOLD else "skip",
    )


def _slice(
    trials: Sequence[FrozenTrial],
    state: TrialState,
    name: str,
    options: Sequence[str] | None,
    symbol: str,
    colour: str,
) -> go.Scatter:
    found = [
        (trial, value)
        for trial in trials
        if trial.state == state and (value := best_value(trial)) is not None
    ]
    return go.Scatter(
        x=[_slice_place(trial, name, options) for trial, _ in found],
        y=[round(value, 5) for _, value in found],
        customdata=[
            f"<b>trial {trial.number}</b>: {value:.4f}<br>"
            f"{escaped(name)} {shortened(wording.value(trial.params[name]), 60)}"
            for trial, value in found
        ],
        mode="markers",
        marker={"symbol": symbol, "color": colour, "size": 6, "opacity": 0.75},
        hovertemplate="%{customdata}<extra></extra>",
    )


def _slice_place(trial: FrozenTrial, name: str, options: Sequence[str] | None) -> float:
    value = trial.params[name]
    if options is None:
        return float(f"{value:.5g}")
    jitter = (trial.number * _GOLDEN % 1 - 0.5) * 0.4
    index = options.index(str(value)) if str(value) in options else 0
    return round(index + jitter, 3)


def _groups(
    complete: Sequence[FrozenTrial], values: Any
) -> list[tuple[str, list[FrozenTrial], str]]:
    """Return the trials by how good they are, best group first, each trial in one group."""
    left = list(complete)
    groups = []
    for label, quantile, colour in _GROUPS:
        bound = np.quantile(values, quantile) if len(values) else math.inf
        inside = [trial for trial in left if trial.value is not None and trial.value >= bound]
        left = [trial for trial in left if trial not in inside]
        if inside:
            groups.append((label, inside, colour))
    return [*groups, ("the others", left, DIM)] if left else groups


def _place(trial: FrozenTrial, scale: Scale) -> float:
    name = scale.row["name"]
    if name not in trial.params:
        return _ABSENT
    place = scale.place(trial.params[name])
    if scale.options is None:
        return round(place, 4)
    # Lines through the same options would lie on each other.
    jitter = (trial.number * _GOLDEN % 1 - 0.5) * 0.08
    return round(place + jitter, 4)


def _marks(scales: Sequence[Scale]) -> list[dict[str, Any]]:
    return [
        {
            "x": column,
            "y": place,
            "text": shortened(text, 12),
            "showarrow": False,
            "xanchor": "left",
            "xshift": 3,
            "font": {"size": 10, "color": INK},
            "bgcolor": "rgba(255,255,255,0.75)",
        }
        for column, scale in enumerate(scales)
        for place, text in scale.marks()
    ]


def _absent(trials: Sequence[FrozenTrial], scales: Sequence[Scale]) -> list[dict[str, Any]]:
    return [
        {
            "x": column,
            "y": _ABSENT,
            "text": "absent",
            "showarrow": False,
            "xanchor": "left",
            "xshift": 3,
            "font": {"size": 10, "color": MUTED},
            "bgcolor": "rgba(255,255,255,0.75)",
        }
        for column, scale in enumerate(scales)
        if any(scale.row["name"] not in trial.params for trial in trials)
    ]
