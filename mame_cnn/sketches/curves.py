"""The learning curves of one trial: accuracy and loss over its epochs, as one small picture."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.pictures.drawing import INK, MUTED
from mame_cnn.sketches.canvas import TITLE_PX, Point, write, write_pieces

TRAIN, VAL = "#d9822b", "#1f5fa8"
"""Orange and blue, which colour-blind people tell apart."""
_GRID, _BEST = "#e6e6e6", "#9a9a9a"
_WIDTH, _HEIGHT = 800, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 40, 40
_FINER = 2
"""Lines are drawn so many times as large and reduced, as Pillow draws them with hard edges."""
_N_TICKS = 7
_MOST_DOTS = 40
"""Epochs up to which each has a dot."""

Figure = Callable[[EpochResult], float]


@dataclass(frozen=True)
class _Axis:
    """A range of numbers and the pixels that it is drawn on, which may run backwards."""

    low: float
    high: float
    first_px: float
    last_px: float

    def at(self, number: float) -> float:
        share = (number - self.low) / (self.high - self.low)
        return self.first_px + share * (self.last_px - self.first_px)


def learning_curves(results: Sequence[EpochResult]) -> Image.Image:
    """Draw training and validation over the epochs of a trial, its best epoch marked."""
    best = max(results, key=lambda result: result.val_accuracy)
    found = f"best {best.val_accuracy:.1%} at epoch {best.epoch}"
    panels = (
        ("accuracy", found, (lambda r: r.train_accuracy, lambda r: r.val_accuracy)),
        ("loss", "", (lambda r: r.train_loss, lambda r: r.val_loss)),
    )
    fine = Image.new("RGB", (_WIDTH * _FINER, _HEIGHT * _FINER), "white")
    lines = ImageDraw.Draw(fine)
    frames = [
        _draw_panel(lines, place * _WIDTH / 2, results, figures, best.epoch)
        for place, (_, _, figures) in enumerate(panels)
    ]
    picture = fine.reduce(_FINER)
    pen = ImageDraw.Draw(picture)
    for place, ((title, remark, _), (x, y)) in enumerate(zip(panels, frames, strict=True)):
        _write_panel(pen, place * _WIDTH / 2, title, remark, x, y)
    return picture


def ticks(low: float, high: float, n: int) -> list[float]:
    """Return about n round numbers from low to high, 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.999 * rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _draw_panel(
    pen: ImageDraw.ImageDraw,
    left: float,
    results: Sequence[EpochResult],
    figures: Sequence[Figure],
    best_epoch: int,
) -> tuple[_Axis, _Axis]:
    """Draw grid and curves at their finer scale; return the axes in pixels of the picture."""
    curves = [
        [(r.epoch, figure(r)) for r in results if math.isfinite(figure(r))] for figure in figures
    ]
    x = _Axis(*_epochs(results), left + _LEFT, left + _WIDTH / 2 - _RIGHT)
    y = _Axis(*_span([value for curve in curves for _, value in curve]), _HEIGHT - _BOTTOM, _TOP)

    def finer(epoch: float, value: float) -> Point:
        return x.at(epoch) * _FINER, y.at(value) * _FINER

    for value in ticks(y.low, y.high, _N_TICKS):
        pen.line([finer(x.low, value), finer(x.high, value)], fill=_GRID, width=_FINER)
    pen.line([finer(best_epoch, y.low), finer(best_epoch, y.high)], fill=_BEST, width=_FINER)
    for curve, colour in zip(curves, (TRAIN, VAL), strict=True):
        points = [finer(*point) for point in curve]
        if len(points) > 1:
            pen.line(points, fill=colour, width=2 * _FINER, joint="curve")
        if len(points) <= _MOST_DOTS:
            for point in points:
                pen.circle(point, 2.5 * _FINER, fill=colour)
    return x, y


def _write_panel(
    pen: ImageDraw.ImageDraw, left: float, title: str, remark: str, x: _Axis, y: _Axis
) -> None:
    head = [(f"{title}   ", INK), ("training   ", TRAIN), ("validation   ", VAL), (remark, MUTED)]
    write_pieces(pen, (left + _LEFT, 24), head, TITLE_PX)
    for value in ticks(y.low, y.high, _N_TICKS):
        at = (x.first_px - 7, y.at(value))
        write(pen, at, f"{value:.4g}", fill=MUTED, anchor="rm")
    for epoch in ticks(x.low, x.high, _N_TICKS):
        if epoch == round(epoch):
            at = (x.at(epoch), y.first_px + 6)
            write(pen, at, f"{epoch:.0f}", fill=MUTED, anchor="mt")
    middle = ((x.first_px + x.last_px) / 2, _HEIGHT - 6)
    write(pen, middle, "epoch", fill=MUTED, anchor="ms")


def _epochs(results: Sequence[EpochResult]) -> tuple[float, float]:
    first, last = results[0].epoch, results[-1].epoch
    return (first, last) if last > first else (first - 0.5, last + 0.5)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return what an axis shows of these values: all, and a little room; 0 to 1 for none."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - room, high + room
