"""How the figures of a report look, and how text gets into them.

Plotly reads a little HTML in every text that it shows, so all that a person or a study has named
goes through `escaped`. Colours are those of Okabe and Ito (2008), told apart by nearly all eyes.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import plotly.graph_objects as go

from search.space import wording

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
INK, MUTED, DIM, FAINT, GRID = "#1f2933", "#52606d", "#8a96a3", "#b4bcc6", "#e4e7eb"
SCALE = ((0.0, "#ffffff"), (0.25, "#c6dbef"), (0.6, "#4292c6"), (1.0, "#08306b"))
"""White to dark blue, for shares."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_LONGEST_HOVER = 60  # characters of one value in a hover box


def escaped(text: object) -> str:
    """Return text as plotly shows it letter by letter."""
    # Quotes stay: plotly turns back only the entities that it knows.
    return escape(" ".join(str(text).split()), quote=False)


def shortened(text: object, n_letters: int) -> str:
    """Return escaped text of bounded length."""
    line = " ".join(str(text).split())
    return escaped(line if len(line) <= n_letters else line[: n_letters - 1] + "…")


def params_hover(params: Mapping[str, object]) -> str:
    """Return parameters as lines of a hover box."""
    return "<br>".join(
        f"{escaped(name)} {shortened(wording.value(value), _LONGEST_HOVER)}"
        for name, value in params.items()
    )


def make_figure(
    traces: Iterable[Any],
    *,
    height: int,
    x: Mapping[str, Any] | None = None,
    y: Mapping[str, Any] | None = None,
    title: str = "",
    **layout: Any,
) -> go.Figure:
    """Return a figure in the house's layout.

    Args:
        height: px; the width is the page's.
        x: what differs from the usual axis; `y` likewise.
        title: escaped here; reports head figures themselves and leave it out.
    """
    figure = go.Figure(data=list(traces))
    axis = {
        "gridcolor": GRID,
        "linecolor": FAINT,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": FAINT,
        "automargin": True,
    }
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 12, "t": 48 if title else 30, "b": 8},
        font={"family": FONT, "size": 12, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        hoverlabel={"align": "left", "font": {"family": FONT, "size": 12}},
        hovermode="closest",
        xaxis={**axis, **(x or {})},
        yaxis={**axis, **(y or {})},
        legend={"orientation": "h", "x": 0, "y": 1.0, "xanchor": "left", "yanchor": "bottom"},
        showlegend=False,
    )
    if title:
        figure.update_layout(title={"text": escaped(title), "x": 0, "xanchor": "left"})
    figure.update_layout(**layout)
    return figure


def axis_title(text: str) -> dict[str, Any]:
    """Return an axis' title, escaped, beside the longest of the axis' labels."""
    return {"text": escaped(text), "font": {"size": 12, "color": MUTED}, "standoff": 6}
