"""Figures of the data: how many images each class has.

Pure: numbers in, a plotly figure out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from search.report.style import BLUE, GRID, axis_title, escaped, make_figure, shortened

MOST_CLASSES = 100
"""In the figure, the first: 2,000 px."""
_ROW_PX, _ENDS_PX = 18, 90
_BETWEEN = 0.06  # of the width, from one panel to the next
_N_LETTERS = 26  # of a class's name


def images_by_class(classes: Sequence[str], counts: Mapping[str, Sequence[int]]) -> go.Figure:
    """Draw the images of each class, a panel a split.

    Args:
        counts: by split, one a class.
    """
    n = min(len(classes), MOST_CLASSES)
    places, width = list(range(n)), (1 + _BETWEEN) / len(counts)
    traces, axes = [], dict[str, Any]()
    for panel, (split, found) in enumerate(counts.items()):
        number = "" if panel == 0 else str(panel + 1)
        traces.append(
            go.Bar(
                x=list(found[:n]),
                y=places,
                orientation="h",
                marker={"color": BLUE},
                xaxis=f"x{number}",
                customdata=[escaped(name) for name in classes[:n]],
                hovertemplate="%{customdata}: %{x:,}<extra></extra>",
            )
        )
        axes[f"xaxis{number}"] = {
            "domain": [panel * width, (panel + 1) * width - _BETWEEN],
            "title": axis_title(f"{split}, images"),
            "gridcolor": GRID,
            "rangemode": "tozero",
            "nticks": 5,
            "anchor": "y",
        }
    return make_figure(
        traces,
        height=_ENDS_PX + _ROW_PX * n,
        y={
            "tickvals": places,
            "ticktext": [shortened(name, _N_LETTERS) for name in classes[:n]],
            "range": [n - 0.4, -0.6],
            "showgrid": False,
        },
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        **axes,
    )
