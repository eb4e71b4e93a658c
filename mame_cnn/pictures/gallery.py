"""Galleries: the images on which a network is most wrong, and those of a class that it knows."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image

from mame_cnn.data.dataset import Pixels
from mame_cnn.pictures.drawing import INK, WRONG, save, shortened
from mame_cnn.scoring.scores import Floats, Integers

N_COLUMNS, N_SHOWN = 6, 24
_TILE_PX, _GAP_PX, _CAPTION_PX, _TITLE_PX = 150, 14, 40, 44
_N_LETTERS = 25
"""What fits below a tile; longer class names are shortened."""
_DPI = 100


@dataclass(frozen=True)
class Answers:
    """What a network says of images."""

    images: Pixels
    """uint8 [N, H, W, C]; may be memory-mapped, only those shown are read."""
    probs: Floats
    """[N, K]."""
    labels: Integers
    classes: Sequence[str]

    @property
    def predicted(self) -> npt.NDArray[np.intp]:
        """The most probable class of each image, [N]."""
        predicted: npt.NDArray[np.intp] = self.probs.argmax(1)
        return predicted

    def most_confident(self, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Return the indices of the chosen images, the most confident answer first."""
        indices = np.flatnonzero(chosen)
        order = np.argsort(-self.probs.max(1)[indices], kind="stable")
        return indices[order]


def write_galleries(folder: Path, answers: Answers) -> None:
    """Write `gallery-wrong.png` and a `gallery-CLASS.png` a class; none for no images."""
    is_wrong = answers.predicted != answers.labels
    names = file_names(answers.classes)
    wrong = answers.most_confident(is_wrong)
    if len(wrong):
        title = f"the most confident of {len(wrong):,} wrong answers"
        _gallery(folder / "gallery-wrong.png", title, wrong[:N_SHOWN], answers)
    for label, (name, file_name) in enumerate(zip(answers.classes, names, strict=True)):
        own = answers.labels == label
        right = answers.most_confident(own & ~is_wrong)
        if len(right):
            how_many = f"{len(right):,} of {own.sum():,} recognised"
            title = f"{shortened(name, 40)}: {how_many}, the most confident"
            _gallery(folder / file_name, title, right[:N_SHOWN], answers)


def file_names(classes: Iterable[str]) -> list[str]:
    """Return a file name for each class, safe on any disk and different even without case."""
    taken, names = {"wrong"}, []
    for name in classes:
        # 60 characters are at most 240 bytes, and no disk takes more than 255.
        stem = base = re.sub(r"[^\w-]+", "_", name).strip("_")[:50] or "class"
        number = 2
        while stem.casefold() in taken:
            stem, number = f"{base}-{number}", number + 1
        taken.add(stem.casefold())
        names.append(f"gallery-{stem}.png")
    return names


def _gallery(path: Path, title: str, shown: npt.NDArray[np.intp], answers: Answers) -> None:
    """Draw images in rows, each with what the network said below it."""
    n_columns = min(N_COLUMNS, max(3, len(shown)))
    n_rows = ceil(len(shown) / n_columns)
    step_x, step_y = _TILE_PX + _GAP_PX, _TILE_PX + _CAPTION_PX
    width, height = _GAP_PX + n_columns * step_x, _TITLE_PX + n_rows * step_y
    canvas = np.full((height, width, 3), 255, dtype=np.uint8)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.text(_GAP_PX, 28, title, size=11, color=INK, parse_math=False)
    for place, index in enumerate(shown):
        row, column = divmod(place, n_columns)
        left, top = _GAP_PX + column * step_x, _TITLE_PX + row * step_y
        canvas[top : top + _TILE_PX, left : left + _TILE_PX] = _tile(answers.images[index])
        for line, (text, colour) in enumerate(_caption(int(index), answers)):
            below = top + _TILE_PX + 12 + 13 * line
            axes.text(left, below, text, size=7.5, color=colour, parse_math=False)
    axes.imshow(canvas, interpolation="none", aspect="auto", extent=(0, width, height, 0))
    save(figure, path)


def _tile(image: Pixels) -> Pixels:
    """Return uint8 [H, W, C] as [tile, tile, 3]; enlarged without smoothing, to be honest."""
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    is_small = image.shape[0] < _TILE_PX
    method = Image.Resampling.NEAREST if is_small else Image.Resampling.LANCZOS
    tile = Image.fromarray(pixels).convert("RGB").resize((_TILE_PX, _TILE_PX), method)
    return np.asarray(tile)


def _caption(index: int, answers: Answers) -> list[tuple[str, str]]:
    said = int(answers.predicted[index])
    truth = int(answers.labels[index])
    answer = f"{shortened(answers.classes[said], _N_LETTERS - 5)} {answers.probs[index, said]:.0%}"
    if said == truth:
        return [(answer, INK)]
    return [(answer, WRONG), (f"is {shortened(answers.classes[truth], _N_LETTERS - 3)}", INK)]
