"""Confusion matrices of several networks side by side: a PNG, and a page to point at.

Colour is the share of a true class's images, so that classes of 95 and of 700 images compare;
it goes by the square root, or one confusion in twenty would hardly show. Numbers are counts.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plotly.subplots import make_subplots

from mame_cnn.pictures.drawing import INK, MUTED, save, shortened

Counts = npt.NDArray[np.integer]
"""[K, K], rows being true classes."""
N_COLUMNS = 3
_N_LETTERS = 40
"""Of a class's name beside a matrix; longer ones are cut."""
_DARK = 0.36
"""Share from which a cell is so dark that its number is white."""
_COLOUR_SHARES = (0, 0.01, 0.05, 0.25, 0.5, 1)
"""Marked beside the page's colours."""
_CAPTION = "numbers: images; colour: share of the true class, by its square root"
_CELL_INCHES, _SMALLEST_INCHES = 0.27, 2.6
_CELL_PX, _SMALLEST_PX, _GAP_PX = 22, 260, 50
_INCHES_A_LETTER, _PX_A_LETTER = 0.075, 6.5


def confusions_png(path: Path, matrices: Mapping[str, Counts], classes: Sequence[str]) -> None:
    """Draw the matrices of networks by name, in reading order."""
    classes = [shortened(name, _N_LETTERS) for name in classes]
    n_columns, n_rows = _grid(len(matrices))
    side = max(_SMALLEST_INCHES, _CELL_INCHES * len(classes))
    label = 0.3 + _INCHES_A_LETTER * max(map(len, classes))
    step = side + 0.55  # inches from one matrix to the next, with its title
    width, height = label + n_columns * step, n_rows * step + label + 0.35
    figure = Figure(figsize=(width, height), dpi=110)
    for place, (name, counts) in enumerate(matrices.items()):
        row, column = divmod(place, n_columns)
        left, top = label + 0.3 + column * step, 0.45 + row * step
        axes = figure.add_axes(
            (left / width, 1 - (top + side) / height, side / width, side / height)
        )
        _draw(axes, name, counts)
        is_lowest = place + n_columns >= len(matrices)
        _label(axes, classes, has_rows=column == 0, has_columns=is_lowest)
    figure.text(0.1 / width, 0.1 / height, _CAPTION, size=7, color=MUTED)
    save(figure, path)


def confusions_html(path: Path, matrices: Mapping[str, Counts], classes: Sequence[str]) -> None:
    """Write the matrices as a page that needs nothing else; it names each cell pointed at."""
    n_columns, n_rows = _grid(len(matrices))
    side = max(_SMALLEST_PX, _CELL_PX * len(classes))
    label = 40 + round(_PX_A_LETTER * min(_N_LETTERS, max(map(len, classes))))
    width, height = (n * (side + _GAP_PX) - _GAP_PX for n in (n_columns, n_rows))
    figure = make_subplots(
        n_rows,
        n_columns,
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=_GAP_PX / width,
        vertical_spacing=_GAP_PX / height,
        subplot_titles=[escape(_title(name, counts)) for name, counts in matrices.items()],
    )
    for place, (name, counts) in enumerate(matrices.items()):
        row, column = divmod(place, n_columns)
        figure.add_trace(_heatmap(escape(name), counts), row + 1, column + 1)
        if place + n_columns >= len(matrices):
            figure.update_xaxes(
                showticklabels=True, title_text="predicted", row=row + 1, col=column + 1
            )
    numbers = list(range(len(classes)))
    names = [escape(shortened(name, _N_LETTERS)) for name in classes]
    figure.update_xaxes(tickvals=numbers, ticktext=names, tickangle=-90, showgrid=False)
    figure.update_yaxes(tickvals=numbers, ticktext=names, autorange="reversed", showgrid=False)
    figure.update_yaxes(title_text="true", col=1)
    margin = {"l": label, "b": label + 20, "t": 60, "r": 130}
    figure.update_layout(
        template="plotly_white",
        width=width + margin["l"] + margin["r"],
        height=height + margin["t"] + margin["b"],
        margin=margin,
        coloraxis=_colours(),
    )
    page = figure.to_html(include_plotlyjs=True, full_html=True)
    path.write_text(page, encoding="utf-8")


def shares(counts: Counts) -> npt.NDArray[np.float64]:
    """Return counts [K, K] as shares of each true class, 0 for a class without images."""
    found: npt.NDArray[np.float64] = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return found


def _grid(n: int) -> tuple[int, int]:
    """Return columns and rows for n matrices."""
    n_columns = min(n, 2 if n == 4 else N_COLUMNS)
    return n_columns, ceil(n / n_columns)


def _title(name: str, counts: Counts) -> str:
    return f"{name}: {np.trace(counts) / max(1, counts.sum()):.1%}"


def _draw(axes: Axes, name: str, counts: Counts) -> None:
    colours = shares(counts)
    axes.imshow(np.sqrt(colours), cmap="Blues", vmin=0, vmax=1)
    axes.set_title(_title(name, counts), fontsize=10, color=INK, loc="left", parse_math=False)
    size = 8 if len(counts) <= 12 else 6
    for i, j in zip(*np.nonzero(counts), strict=True):
        colour = "white" if colours[i, j] > _DARK else INK
        axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", size=size, color=colour)
    axes.tick_params(length=0, labelsize=8, labelcolor=INK)
    axes.spines[:].set_color(MUTED)


def _label(axes: Axes, classes: Sequence[str], *, has_rows: bool, has_columns: bool) -> None:
    """Name the classes where no other matrix to the left or below does."""
    numbers = range(len(classes))
    if has_rows:
        axes.set_yticks(numbers, classes, parse_math=False)
        axes.set_ylabel("true", fontsize=8, color=MUTED)
    else:
        axes.set_yticks([])
    if has_columns:
        axes.set_xticks(numbers, classes, rotation=90, parse_math=False)
        axes.set_xlabel("predicted", fontsize=8, color=MUTED)
    else:
        axes.set_xticks([])


def _colours() -> dict[str, Any]:
    """Return the page's scale of colours, marked in shares though it goes by square roots."""
    return {
        "colorscale": "Blues",
        "cmin": 0,
        "cmax": 1,
        "colorbar": {
            "title": "share of<br>true class",
            "tickvals": np.sqrt(_COLOUR_SHARES),
            "ticktext": [f"{share:.0%}" for share in _COLOUR_SHARES],
            "lenmode": "pixels",
            "len": _SMALLEST_PX,
            "yanchor": "top",
            "y": 1,
        },
    }


def _heatmap(name: str, counts: Counts) -> go.Heatmap:
    return go.Heatmap(
        z=np.sqrt(shares(counts)),
        customdata=np.dstack([counts, shares(counts)]),
        name=name,
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        hovertemplate=(
            "true %{y}<br>predicted %{x}<br>"
            "%{customdata[0]:,} images, %{customdata[1]:.1%} of the true class"
        ),
    )
