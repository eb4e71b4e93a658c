"""The mean image of each class, and of all: what a class looks like where it always looks alike.

A grey smear says that a class cannot be told by where things are; a face or a vase that shows
through says that it can. Over a sample of the training images, and never of the test images.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mame_cnn.data.dataset import Dataset, Pixels
from mame_cnn.data.images import read_image
from mame_cnn.data.listing import Item, Listing
from mame_cnn.data.progress import bar, in_threads
from mame_cnn.data.survey import Survey
from mame_cnn.pictures.drawing import INK, MUTED
from mame_cnn.sketches.canvas import TITLE_PX, font, named, write

MOST_OF_A_CLASS = 100
"""Images, spread evenly over the class: decoding all of MAMe's would take a minute."""
SIDE_PX = 64
_MOST_SHOWN = 300
"""Of classes, the first; so that the sheet of a collection of thousands can be opened."""
_TILE_PX, _GAP_PX, _CAPTION_PX, _TITLE_ROOM_PX = 128, 10, 24, 36
_N_COLUMNS, _N_LETTERS = 6, 20
Mean = tuple[str, npt.NDArray[np.float64] | None]
"""A class's name and its mean image, [H, W, 3] from 0 to 255; None where it has no image."""


def folder_means(listing: Listing, survey: Survey, progress: bool = True) -> Iterator[Mean]:
    """Yield the mean of each class's readable training images."""
    unusable = {name for split, name in (*survey.missing, *survey.unreadable) if split == "train"}
    by_class: list[list[Item]] = [[] for _ in listing.classes]
    for item in listing.splits["train"]:
        if item.name not in unusable:
            by_class[item.label].append(item)
    samples = [[items[i] for i in spread(len(items))] for items in by_class]
    with bar(progress) as display:
        task = display.add_task("averaging", total=sum(map(len, samples)))
        for name, items in zip(listing.classes, samples, strict=True):
            yield name, _mean(in_threads(partial(_read, SIDE_PX), items))
            display.advance(task, len(items))


def dataset_means(dataset: Dataset) -> Iterator[Mean]:
    """Yield the mean of each class's training images, as they are prepared."""
    for label, name in enumerate(dataset.classes):
        indices = np.flatnonzero(dataset.train.labels == label)
        yield name, _mean(dataset.train.images[indices[i]] for i in spread(len(indices)))


def spread(n: int, most: int = MOST_OF_A_CLASS) -> list[int]:
    """Return up to `most` indices below n, evenly spaced."""
    k = min(n, most)
    return [i * n // k for i in range(k)]


def draw(means: Sequence[Mean]) -> Image.Image:
    """Return a sheet: the mean of all classes alike, then each of the first classes."""
    known = [mean for _, mean in means if mean is not None]
    shown: list[Mean] = [
        ("all classes alike", np.mean(known, axis=0) if known else None),
        *means[:_MOST_SHOWN],
    ]
    n_columns = min(_N_COLUMNS, len(shown))
    n_rows = -(-len(shown) // n_columns)
    title = f"mean of up to {MOST_OF_A_CLASS} training images of each class"
    step_x, step_y = _TILE_PX + _GAP_PX, _TILE_PX + _CAPTION_PX
    width = max(n_columns * step_x, round(font(TITLE_PX).getlength(title)) + _GAP_PX)
    sheet = Image.new("RGB", (_GAP_PX + width, _TITLE_ROOM_PX + n_rows * step_y), "white")
    pen = ImageDraw.Draw(sheet)
    write(pen, (_GAP_PX, 22), title, fill=INK, size_px=TITLE_PX)
    for place, (name, mean) in enumerate(shown):
        row, column = divmod(place, n_columns)
        left, top = _GAP_PX + column * step_x, _TITLE_ROOM_PX + row * step_y
        if mean is None:
            middle = (left + _TILE_PX / 2, top + _TILE_PX / 2)
            write(pen, middle, "no image", fill=MUTED, anchor="mm")
        else:
            sheet.paste(_tile(mean), (left, top))
        write(pen, (left, top + _TILE_PX + 14), named(name, _N_LETTERS), fill=INK)
    return sheet


def _mean(images: Iterator[Pixels]) -> npt.NDArray[np.float64] | None:
    total, n = np.zeros(()), 0
    for image in images:
        total, n = total + image, n + 1
    return total / n if n else None


def _read(image_size: int, item: Item) -> Pixels:
    return read_image(item.path, image_size)


def _tile(mean: npt.NDArray[np.float64]) -> Image.Image:
    pixels = np.rint(mean).astype(np.uint8)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    return image.resize((_TILE_PX, _TILE_PX), Image.Resampling.BICUBIC)
