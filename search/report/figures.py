"""Figures of a study's course: its values trial by trial, and the curves of all trials.

Pure: trials or numbers in, a plotly figure out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from search.report.style import (
    BLUE,
    DIM,
    FAINT,
    MUTED,
    ORANGE,
    RED,
    axis_title,
    escaped,
    make_figure,
    params_hover,
)
from search.trials.reading import best_value, is_counted

_N_DIGITS = 5  # of numbers in curves: a page of 500 trials has some 100,000 of them
_FAINT_LINE, _PLAIN_LINE, _BEST_LINE = 0.8, 1.1, 2.6  # px


@dataclass(frozen=True)
class Curve:
    """One quantity of one trial, epoch by epoch."""

    number: int
    is_complete: bool
    epochs: Sequence[float]
    values: Sequence[float]
    """NaN where there is none."""


def optimisation_history(
    trials: Sequence[FrozenTrial], metric: str = "value", *, title: str = ""
) -> go.Figure:
    """Draw the value of each trial in the order of their numbers, and the best so far."""
    counted = [trial for trial in trials if is_counted(trial)]
    complete = _with_values(counted, TrialState.COMPLETE)
    pruned = _with_values(counted, TrialState.PRUNED)
    best = _best_so_far(complete)
    failed = [trial.number for trial in counted if trial.state == TrialState.FAIL]
    traces: list[Any] = [
        _points(pruned, "pruned", {"symbol": "circle-open", "color": FAINT}),
        _points(complete, "complete", {"symbol": "circle", "color": BLUE}),
        go.Scatter(
            x=[number for number, _ in best],
            y=[round(value, _N_DIGITS) for _, value in best],
            mode="lines",
            line={"color": ORANGE, "width": 2, "shape": "hv"},
            name="best so far",
            hoverinfo="skip",
        ),
    ]
    if failed:
        low = min((value for _, value in (*complete, *pruned)), default=0.0)
        traces.append(
            go.Scatter(
                x=failed,
                y=[low] * len(failed),
                mode="markers",
                marker={"symbol": "x", "color": RED, "size": 7},
                name="failed",
                hovertemplate="trial %{x} failed<extra></extra>",
            )
        )
    return make_figure(
        [trace for trace in traces if len(trace.x)],
        height=340,
        title=title,
        x={"title": axis_title("trial"), "rangemode": "tozero"},
        y={"title": axis_title(metric)},
        showlegend=True,
    )


def learning_curves(
    curves: Sequence[Curve], label: str, best: int | None = None, *, title: str = ""
) -> go.Figure:
    """Draw a quantity of all trials over epochs, with buttons for logarithmic axes.

    Args:
        best: the trial whose curve stands out.
    """
    others = [curve for curve in curves if curve.number != best]
    pruned = [curve for curve in others if not curve.is_complete]
    complete = [curve for curve in others if curve.is_complete]
    chosen = [curve for curve in curves if curve.number == best]
    # All curves of a kind are one line with gaps: 500 lines would take a browser seconds.
    traces = [
        _lines(pruned, "pruned or failed", {"color": DIM, "width": _FAINT_LINE}, opacity=0.5),
        _lines(complete, "complete", {"color": BLUE, "width": _PLAIN_LINE}, opacity=0.5),
        _lines(chosen, f"best: trial {best}", {"color": ORANGE, "width": _BEST_LINE}, opacity=1),
    ]
    return make_figure(
        [trace for trace in traces if len(trace.x)],
        height=350,
        title=title,
        x={"title": axis_title("epoch")},
        y={"title": axis_title(label)},
        showlegend=True,
        margin={"l": 8, "r": 12, "t": 74 if title else 40, "b": 8},
        # Below, where it has room to break into lines on a phone; above it would meet the buttons.
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.24, "yanchor": "top"},
        updatemenus=_log_buttons(),
    )


def _with_values(
    trials: Sequence[FrozenTrial], state: TrialState
) -> list[tuple[FrozenTrial, float]]:
    found = [(trial, best_value(trial)) for trial in trials if trial.state == state]
    return [(trial, value) for trial, value in found if value is not None and math.isfinite(value)]


def _best_so_far(complete: Sequence[tuple[FrozenTrial, float]]) -> list[tuple[int, float]]:
    line: list[tuple[int, float]] = []
    for trial, value in complete:
        line.append((trial.number, max(value, line[-1][1]) if line else value))
    return line


def _points(
    found: Sequence[tuple[FrozenTrial, float]], name: str, marker: dict[str, Any]
) -> go.Scatter:
    return go.Scatter(
        x=[trial.number for trial, _ in found],
        y=[round(value, _N_DIGITS) for _, value in found],
        customdata=[params_hover(trial.params) for trial, _ in found],
        mode="markers",
        marker={"size": 7, **marker},
        name=name,
        hovertemplate="<b>trial %{x}</b>: %{y:.4f}<br>%{customdata}<extra></extra>",
    )


def _lines(
    curves: Sequence[Curve], name: str, line: dict[str, Any], *, opacity: float
) -> go.Scatter:
    x: list[float | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    for curve in curves:
        for epoch, value in zip(curve.epochs, curve.values, strict=True):
            x.append(epoch)
            y.append(float(f"{value:.{_N_DIGITS}g}") if math.isfinite(value) else None)
            numbers.append(curve.number)
        x.append(None)
        y.append(None)
        numbers.append(None)
    # A line of one epoch would not be seen; many markers would hide the lines.
    is_short = all(len(curve.epochs) < 2 for curve in curves)
    return go.Scatter(
        x=x,
        y=y,
        customdata=numbers,
        mode="markers" if is_short else "lines",
        line=line,
        marker={"color": line["color"], "size": 6},
        opacity=opacity,
        name=escaped(name),
        connectgaps=False,
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4g}<extra></extra>",
    )


def _log_buttons() -> list[dict[str, Any]]:
    """Return two switches, one for each axis."""
    return [
        {
            "type": "buttons",
            "direction": "right",
            "showactive": False,
            "x": 0,
            "xanchor": "left",
            "y": 1.0,
            "yanchor": "bottom",
            "pad": {"b": 6, "t": 0, "l": left, "r": 0},  # px
            "font": {"size": 11, "color": MUTED},
            "bgcolor": "#ffffff",
            "bordercolor": FAINT,
            "buttons": [
                {
                    "label": f"log {name}",
                    "method": "relayout",
                    "args": [{f"{axis}axis.type": "log", f"{axis}axis.autorange": True}],
                    "args2": [{f"{axis}axis.type": "linear", f"{axis}axis.autorange": True}],
                }
            ],
        }
        for axis, name, left in (("x", "epochs", 0), ("y", "values", 84))
    ]
