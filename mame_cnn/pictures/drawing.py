"""What all pictures share: their two greys, and how a figure becomes a file.

Figures are made without pyplot, whose state is global.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:  # so that sketches, which are no figures, need not wait for its import
    from matplotlib.figure import Figure

INK, MUTED, WRONG = "#222222", "#888888", "#b3261e"


def shortened(text: str, n_letters: int) -> str:
    """Return a text, cut with an ellipsis where it is longer than a picture has room for."""
    return text if len(text) <= n_letters else f"{text[: n_letters - 1].rstrip()}…"


def save(figure: "Figure", path: Path | BinaryIO) -> None:
    """Write a figure as a PNG, to a path or into an open file."""
    with warnings.catch_warnings():
        # A class named in a script that the font lacks is drawn as boxes, and that shows.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, format="png", facecolor="white")
