"""A picture of a data set: one row a class, a few images each, its name beside them."""

import io
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mame_cnn.data import digits
from mame_cnn.data.images import read_image
from mame_cnn.data.listing import Listing
from mame_cnn.data.survey import Survey

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
    data = digits.load(TILE_PX)
    rows: list[Row] = []
    for label, name in enumerate(data.classes):
        indices = np.flatnonzero(data.train.labels == label)
        images = [data.train.images[indices[i], :, :, 0] for i in _spread(len(indices))]
        rows.append((name, [Image.fromarray(image).convert("RGB") for image in images]))
    return rows


def draw(rows: Sequence[Row]) -> Image.Image:
    """Return the sheet; a class without an image keeps its empty row."""
    font = ImageFont.load_default(FONT_PX)
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


def save(sheet: Image.Image, path: Path) -> None:
    """Write the sheet as a PNG, whole or not at all."""
    png = io.BytesIO()
    sheet.save(png, format="PNG")
    partial = path.parent / f".{path.name}.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.write_bytes(png.getvalue())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _spread(n: int) -> list[int]:
    """Return up to N_COLUMNS indices below n, evenly spaced."""
    k = min(n, N_COLUMNS)
    return [i * n // k for i in range(k)]
