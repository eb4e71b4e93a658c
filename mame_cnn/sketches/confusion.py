"""The confusion matrix of one trial, as one small picture.

As on the pages of an evaluation, colour is the share of a true class by its square root, and
numbers are counts. Classes that are too many to be written beside it are left out.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mame_cnn.pictures.drawing import INK, MUTED
from mame_cnn.sketches.canvas import TEXT_PX, TITLE_PX, font, named, stamp, write

MOST_CLASSES = 1000
"""At a pixel a cell; a picture of more would cost a trial tenths of a second."""
_SIDE_PX = 560
"""Of the matrix, at most, up to as many classes."""
_LARGEST_CELL_PX, _SMALLEST_NAMED_PX, _SMALLEST_COUNTED_PX = 34, 11, 17
_N_LETTERS = 28
_DARK = 0.36
"""Share from which a cell is so dark that its number is white."""
_SHADES = np.array([(247, 251, 255), (66, 146, 198), (8, 48, 107)])
"""From none to all of a class: the ends and the middle of a well-known scale of blues."""
_GAP_PX, _TITLE_ROOM_PX, _FOOT_PX = 10, 40, 24
_CAPTION = "rows: true, columns: predicted; numbers: images; colour: share of the true class"

Integers = npt.NDArray[np.integer]


def confusion_matrix(predicted: Integers, labels: Integers, classes: Sequence[str]) -> Image.Image:
    """Draw how often each class was taken for which.

    Args:
        predicted: class numbers [N].
        labels: the true ones, [N].
    """
    n = len(classes)
    counts = np.bincount(labels * n + predicted, minlength=n * n).reshape(n, n)
    cell = max(1, min(_LARGEST_CELL_PX, _SIDE_PX // n))
    names = _names(classes, cell) if cell >= _SMALLEST_NAMED_PX else Image.new("RGB", (0, 0))
    left, side = _GAP_PX + names.width + 4, cell * n
    n_right = int(np.trace(counts))
    title = f"{n_right / max(1, len(labels)):.1%} of {len(labels):,} validation images recognised"
    width = round(max(left + side, font().getlength(_CAPTION) + _GAP_PX)) + _GAP_PX
    height = _TITLE_ROOM_PX + side + 4 + names.width + _FOOT_PX + 6
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    write(pen, (_GAP_PX, 24), title, fill=INK, size_px=TITLE_PX)
    write(pen, (_GAP_PX, height - 9), _CAPTION, fill=MUTED)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    picture.paste(Image.fromarray(_cells(shares, cell)), (left, _TITLE_ROOM_PX))
    if names.width:
        picture.paste(names, (_GAP_PX, _TITLE_ROOM_PX))
        # Turned to the left, the first name is the first column's, and all end at the matrix.
        below = names.transpose(Image.Transpose.ROTATE_90)
        picture.paste(below, (left, _TITLE_ROOM_PX + side + 4))
    if cell >= _SMALLEST_COUNTED_PX:
        for i, j in zip(*np.nonzero(counts), strict=True):
            number = stamp(str(counts[i, j]), _size_px(cell))
            x = left + j * cell + (cell - number.width + 1) // 2
            y = _TITLE_ROOM_PX + i * cell + (cell - number.height + 1) // 2
            pen.bitmap((x, y), number, fill="white" if shares[i, j] > _DARK else INK)
    return picture


def _size_px(cell: int) -> int:
    return 9 if cell < 24 else TEXT_PX


def _names(classes: Sequence[str], cell: int) -> Image.Image:
    """Return the names one below the other, each at the middle of its row, ending at the right."""
    size_px = min(TEXT_PX, cell - 1)
    written = [named(name, _N_LETTERS) for name in classes]
    width = round(max(font(size_px).getlength(name) for name in written)) + 1
    names = Image.new("RGB", (width, cell * len(classes)), "white")
    pen = ImageDraw.Draw(names)
    for row, name in enumerate(written):
        at = (width, (row + 0.5) * cell)
        write(pen, at, name, fill=INK, anchor="rm", size_px=size_px)
    return names


def _cells(shares: npt.NDArray[np.float64], cell: int) -> npt.NDArray[np.uint8]:
    """Return shares [K, K] as coloured squares, uint8 [K * cell, K * cell, 3]."""
    depth = np.sqrt(shares)
    channels = [np.interp(depth, (0, 0.5, 1), shade) for shade in _SHADES.T]
    pixels = np.stack(channels, axis=-1).astype(np.uint8)
    cells = pixels.repeat(cell, axis=0).repeat(cell, axis=1)
    if cell >= _SMALLEST_NAMED_PX:
        cells[::cell] = cells[:, ::cell] = 255  # a thin line between cells
    return cells
