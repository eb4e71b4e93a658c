"""Figures of what trials tell together: accuracies with intervals, importance, confusions.

Pure: numbers in, a plotly figure out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from search.report.style import (
    BLUE,
    FAINT,
    INK,
    MUTED,
    SCALE,
    axis_title,
    escaped,
    make_figure,
    shortened,
)

_N_LETTERS = 26
"""Of a class's name beside the matrix; the whole name is told when a cell is pointed at."""
_N_WITH_COUNTS = 12
"""Classes up to which each cell shows its count; smaller cells have no room."""
_DARK = 0.35
"""Share from which a cell is so dark that its number is white."""


@dataclass(frozen=True)
class Bar:
    """How much one parameter mattered: a share, and the band in which resampling put it."""

    name: str
    share: float
    low: float
    high: float
    is_above_chance: bool


@dataclass(frozen=True)
class Interval:
    """A trial's accuracy with its 95 % interval."""

    label: str
    accuracy: float
    low: float
    high: float
    is_in_best_set: bool


def intervals(rows: Sequence[Interval], *, title: str = "") -> go.Figure:
    """Draw accuracies, best on top; filled are those that cannot be told from the best."""
    places = list(range(len(rows)))[::-1]
    traces = [
        _interval_trace(rows, places, True, "not told from the best", BLUE, "circle"),
        _interval_trace(rows, places, False, "worse than the best", FAINT, "circle-open"),
    ]
    return make_figure(
        [trace for trace in traces if len(trace.x)],
        height=90 + 20 * len(rows),
        title=title,
        x={"title": axis_title("validation accuracy, 95 % interval")},
        y={
            "tickvals": places,
            "ticktext": [shortened(row.label, 30) for row in rows],
            "showgrid": False,
            "range": [-0.8, len(rows) - 0.2],
        },
        showlegend=True,
    )


def importances(found: Sequence[Bar], *, title: str = "") -> go.Figure:
    """Draw how much parameters mattered, most important on top, with their bands."""
    ordered = sorted(found, key=lambda row: row.share)
    places = list(range(len(ordered)))
    shares = [row.share for row in ordered]
    bars = go.Bar(
        x=shares,
        y=places,
        orientation="h",
        marker={"color": [BLUE if row.is_above_chance else FAINT for row in ordered]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, row.high - row.share) for row in ordered],
            "arrayminus": [max(0.0, row.share - row.low) for row in ordered],
            "color": INK,
            "thickness": 1.2,
            "width": 3,
        },
        customdata=[
            f"{escaped(row.name)}: {row.share:.2f} ({row.low:.2f} to {row.high:.2f})"
            for row in ordered
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    return make_figure(
        [bars],
        height=70 + 24 * len(ordered),
        title=title,
        x={"title": axis_title("share of importance"), "rangemode": "tozero"},
        y={
            "tickvals": places,
            "ticktext": [shortened(row.name, 24) for row in ordered],
            "showgrid": False,
        },
        bargap=0.35,
    )


def confusion_matrix(
    counts: npt.NDArray[np.integer], classes: Sequence[str], *, title: str = ""
) -> go.Figure:
    """Draw a confusion matrix; colour is the share of the true class, by its square root.

    Args:
        counts: [K, K], rows being true classes.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [escaped(name) for name in classes]
    places = list(range(len(classes)))
    labels = [shortened(name, _N_LETTERS) for name in classes]
    cells = go.Heatmap(
        z=np.round(np.sqrt(shares), 4).tolist(),
        customdata=[
            [
                f"true: {names[row]}<br>predicted: {names[column]}<br>"
                f"{counts[row, column]} images, {shares[row, column]:.1%} of the class"
                for column in places
            ]
            for row in places
        ],
        hovertemplate="%{customdata}<extra></extra>",
        colorscale=[list(step) for step in SCALE],
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=1,
        ygap=1,
    )
    longest = min(_N_LETTERS, max((len(name) for name in classes), default=1))
    side = max(240, (34 if len(classes) <= _N_WITH_COUNTS else 17) * len(classes))
    size = 11 if len(classes) <= _N_WITH_COUNTS else 9
    axis: dict[str, Any] = {
        "tickvals": places,
        "ticktext": labels,
        "tickfont": {"size": size},
        "showgrid": False,
    }
    return make_figure(
        [cells],
        height=side + 60 + 6 * longest,
        title=title,
        x={**axis, "tickangle": -90, "title": axis_title("predicted")},
        y={**axis, "autorange": "reversed", "title": axis_title("true")},
        annotations=_counts(counts, shares) if len(classes) <= _N_WITH_COUNTS else [],
    )


def _interval_trace(
    rows: Sequence[Interval],
    places: Sequence[int],
    is_in_best_set: bool,
    name: str,
    colour: str,
    symbol: str,
) -> go.Scatter:
    chosen = [
        (row, place)
        for row, place in zip(rows, places, strict=True)
        if row.is_in_best_set == is_in_best_set
    ]
    return go.Scatter(
        x=[round(row.accuracy, 5) for row, _ in chosen],
        y=[place for _, place in chosen],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [round(row.high - row.accuracy, 5) for row, _ in chosen],
            "arrayminus": [round(row.accuracy - row.low, 5) for row, _ in chosen],
            "color": colour,
            "thickness": 1.4,
            "width": 3,
        },
        customdata=[
            f"<b>{escaped(row.label)}</b>: {row.accuracy:.4f}<br>{row.low:.4f} to {row.high:.4f}"
            for row, _ in chosen
        ],
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 7},
        name=name,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _counts(counts: npt.NDArray[np.integer], shares: npt.NDArray[np.float64]) -> list[Any]:
    return [
        {
            "x": int(column),
            "y": int(row),
            "text": str(int(counts[row, column])),
            "showarrow": False,
            "font": {
                "size": 10,
                "color": "#ffffff" if shares[row, column] > _DARK else MUTED,
            },
        }
        for row, column in zip(*np.nonzero(counts), strict=True)
    ]
