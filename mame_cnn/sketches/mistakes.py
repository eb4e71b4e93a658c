"""The validation images on which one trial was most confidently wrong, as one small picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mame_cnn.data.dataset import Pixels
from mame_cnn.pictures.drawing import INK, WRONG
from mame_cnn.sketches.canvas import TITLE_PX, named, write

N_SHOWN, N_COLUMNS = 12, 6
_TILE_PX, _GAP_PX, _CAPTION_PX, _TITLE_ROOM_PX = 112, 10, 38, 36
_N_LETTERS = 18
"""What fits below a tile."""


@dataclass(frozen=True)
class Mistakes:
    """Wrong answers, the most confident first."""

    indices: npt.NDArray[np.intp]
    """Of the images that are shown."""
    said: npt.NDArray[np.intp]
    """Class numbers, in the order of the indices."""
    confidence: npt.NDArray[np.floating]
    truth: npt.NDArray[np.integer]
    n_wrong: int
    """Of all images."""
    n_images: int


def most_confident_mistakes(
    probs: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> Mistakes:
    """Return the wrong answers to show, of probabilities [N, K] and labels [N]."""
    said, confidence = probs.argmax(1), probs.max(1)
    wrong = np.flatnonzero(said != labels)
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:N_SHOWN]
    return Mistakes(shown, said[shown], confidence[shown], labels[shown], len(wrong), len(labels))


def misclassified(mistakes: Mistakes, images: Pixels, classes: Sequence[str]) -> Image.Image:
    """Draw mistakes, each with what the trial said of it and what it is.

    Args:
        images: of the mistakes' indices, in their order, uint8 [n, H, W, C].
    """
    n_rows = ceil(len(images) / N_COLUMNS)
    step_x, step_y = _TILE_PX + _GAP_PX, _TILE_PX + _CAPTION_PX
    size = (_GAP_PX + N_COLUMNS * step_x, _TITLE_ROOM_PX + n_rows * step_y + 4)
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    write(pen, (_GAP_PX, 22), _title(mistakes), fill=INK, size_px=TITLE_PX)
    for place, image in enumerate(images):
        row, column = divmod(place, N_COLUMNS)
        left, top = _GAP_PX + column * step_x, _TITLE_ROOM_PX + row * step_y
        picture.paste(_tile(image), (left, top))
        said = named(classes[int(mistakes.said[place])], _N_LETTERS - 5)
        truth = named(classes[int(mistakes.truth[place])], _N_LETTERS - 3)
        below = top + _TILE_PX + 14
        write(pen, (left, below), f"{said} {mistakes.confidence[place]:.0%}", fill=WRONG)
        write(pen, (left, below + 14), f"is {truth}", fill=INK)
    return picture


def _title(mistakes: Mistakes) -> str:
    n_wrong, n_images = mistakes.n_wrong, mistakes.n_images
    wrong = f"{n_wrong:,} of {n_images:,} validation images misclassified"
    return f"{wrong}; the most confident answers" if n_wrong else wrong


def _tile(image: Pixels) -> Image.Image:
    """Return uint8 [H, W, C] as a tile; enlarged without smoothing, to be honest."""
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    is_small = image.shape[0] < _TILE_PX
    method = Image.Resampling.NEAREST if is_small else Image.Resampling.BILINEAR
    tile = Image.fromarray(pixels).convert("RGB")
    return tile.resize((_TILE_PX, _TILE_PX), method, reducing_gap=None if is_small else 1.0)
