"""A picture of a data set: one row a class, a few images each, its name beside them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from mame_cnn.data import digits
from mame_cnn.data.dataset import Dataset, Pixels
from mame_cnn.data.images import read_image
from mame_cnn.data.listing import Listing
from mame_cnn.data.survey import Survey
from mame_cnn.sketches import canvas

N_COLUMNS = 8
TILE_PX, GAP_PX, FONT_PX = 96, 4, 16
Row = tuple[str, Sequence[Image.Image]]


def folder_rows(listing: Listing, survey: Survey) -> list[Row]:
    """Return a few readable train images of each class, spread over the class."""
    unusable = {*survey.missing, *survey.unreadable}
    rows: list[Row] = []
    for label, name in enumerate(listing.classes):
        items = [
            item
            for item in listing.splits["train"]
            if item.label == label and ("train", item.name) not in unusable
        ]
        tiles = [Image.fromarray(read_image(items[i].path, TILE_PX)) for i in _spread(len(items))]
        rows.append((name, tiles))
    return rows


def digit_rows() -> list[Row]:
    """Return a few train images of each embedded digit."""
    return dataset_rows(digits.load(TILE_PX))


def dataset_rows(dataset: Dataset, most: int | None = None) -> list[Row]:
    """Return a few train images of each class, as they are prepared.

    Args:
        most: of classes, the first; None for all.
    """
    rows: list[Row] = []
    for label, name in enumerate(dataset.classes[:most]):
        indices = np.flatnonzero(dataset.train.labels == label)
        images = [dataset.train.images[indices[i]] for i in _spread(len(indices))]
        rows.append((name, [_tile(image) for image in images]))
    return rows


def draw(rows: Sequence[Row]) -> Image.Image:
    """Return the sheet; a class without an image keeps its empty row."""
    font = canvas.font(FONT_PX)
    text_px = int(max(font.getlength(name) for name, _ in rows)) + 2 * GAP_PX
    step = TILE_PX + GAP_PX
    n_columns = max(1, *(len(tiles) for _, tiles in rows))
    size = (text_px + n_columns * step + GAP_PX, len(rows) * step + GAP_PX)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for i, (name, tiles) in enumerate(rows):
        top = GAP_PX + i * step
        pen.text((GAP_PX, top + TILE_PX // 2), name, fill="black", font=font, anchor="lm")
        if not tiles:
            middle = (text_px + GAP_PX, top + TILE_PX // 2)
            pen.text(middle, "no image", fill="grey", font=font, anchor="lm")
        for j, tile in enumerate(tiles):
            sheet.paste(tile, (text_px + GAP_PX + j * step, top))
    return sheet


def _tile(image: Pixels) -> Image.Image:
    """Return uint8 [H, W, C] as a tile."""
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    method = Image.Resampling.BICUBIC
    return Image.fromarray(pixels).convert("RGB").resize((TILE_PX, TILE_PX), method)


def _spread(n: int) -> list[int]:
    """Return up to N_COLUMNS indices below n, evenly spaced."""
    k = min(n, N_COLUMNS)
    return [i * n // k for i in range(k)]
