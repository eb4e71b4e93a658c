"""Figures of a data set: how many images each class has, and how large they are."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mame_cnn.pictures.drawing import INK, MUTED, save, shortened

Size = tuple[int, int]
"""Width and height in pixels."""
_BLUE = "#4292c6"
_N_LETTERS = 32
_ROW_INCHES, _ENDS_INCHES = 0.21, 1.0
_MOST_ROWS = 100
"""Of classes, the first: a figure of thousands would be higher than viewers can show."""


def class_counts(classes: Sequence[str], counts: Mapping[str, Sequence[int]]) -> bytes:
    """Return a PNG: the images of each class, a panel a split.

    Args:
        counts: by split, one a class.
    """
    splits = [split for split in counts if sum(counts[split])] or list(counts)
    figure, panels = _panels(classes, len(splits))
    for axes, split in zip(panels, splits, strict=True):
        shown = counts[split][:_MOST_ROWS]
        axes.barh(range(len(shown)), shown, color=_BLUE, height=0.75)
        for row, count in enumerate(shown):
            text = f" {count:,}"
            axes.text(count, row, text, va="center", size=7.5, color=INK if count else MUTED)
        axes.set_xlim(0, 1.18 * max(1, *shown))
        _head(axes, f"{split}: {sum(counts[split]):,} images")
    return _png(figure)


def class_sizes(classes: Sequence[str], sizes: Mapping[int, Counter[Size]]) -> bytes:
    """Return a PNG: width, height and their ratio by class, as range, quartiles and median.

    Args:
        sizes: by class number; classes without a readable image may be absent.
    """
    figure, panels = _panels(classes, 3)
    for label in range(min(len(classes), _MOST_ROWS)):
        if found := sizes.get(label):
            pairs = np.repeat(list(found), list(found.values()), axis=0)  # [n, 2]
            width, height = pairs.T.astype(np.float64)
            for axes, values in zip(panels, (width, height, width / height), strict=True):
                _spread(axes, label, values)
    heads = ("width in pixels", "height in pixels", "width / height")
    for axes, head in zip(panels, heads, strict=True):
        _head(axes, head)
        axes.margins(x=0.06)
    panels[2].axvline(1, color=MUTED, linewidth=0.6, linestyle=":", zorder=0)
    figure.supxlabel("line: all; bar: middle half; dot: median", size=8, color=MUTED)
    return _png(figure)


def _panels(classes: Sequence[str], n_panels: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels side by side, a row a class, its names at the left."""
    names = [shortened(" ".join(name.split()), _N_LETTERS) for name in classes[:_MOST_ROWS]]
    height = _ENDS_INCHES + _ROW_INCHES * len(names)
    figure = Figure(figsize=(10, height), dpi=110, layout="constrained")
    grid = figure.subplots(1, n_panels, sharey=True, squeeze=False)
    panels = list(grid[0])
    panels[0].set_yticks(range(len(names)), names, parse_math=False)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    if len(classes) > len(names):
        figure.suptitle(f"the first {len(names)} of {len(classes):,} classes", size=9, color=MUTED)
    for axes in panels:
        axes.tick_params(length=0, labelsize=8, labelcolor=INK)
        axes.locator_params(axis="x", nbins=5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(MUTED)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
    return figure, panels


def _spread(axes: Axes, row: int, values: npt.NDArray[np.float64]) -> None:
    low, first, median, third, high = np.percentile(values, (0, 25, 50, 75, 100))
    axes.plot((low, high), (row, row), color=_BLUE, linewidth=1)
    axes.plot((first, third), (row, row), color=_BLUE, linewidth=5, solid_capstyle="butt")
    axes.plot(median, row, "o", color=INK, markersize=3.5)


def _head(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=9, color=INK, loc="left")


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    save(figure, content)
    return content.getvalue()
