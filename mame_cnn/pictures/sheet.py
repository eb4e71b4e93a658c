"""Sheets of tiles: sections with a title, in them exhibits, which are tiles side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mame_cnn.data.dataset import Pixels
from mame_cnn.pictures.drawing import INK, MUTED, save, shortened

_WIDTH_PX, _MARGIN_PX = 1240, 16
_TILE_GAP_PX, _EXHIBIT_GAP_PX, _LINE_PX = 3, 20, 13
_HEAD_PX, _TITLE_PX, _FOOT_PX = 56, 26, 8
_PX_A_LETTER, _PX_A_TITLE_LETTER = 5.4, 6.8
"""Of captions and of sections' titles, on average."""
_N_LETTERS = 110
"""Of a sheet's title; longer ones are cut."""
_FINENESS = 1.5
"""Pixels of the file for one of the layout, so that print is sharp."""
_DPI = 100
_BAR_PX = 150
_OUTLINE = "#cccccc"


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture with lines below it, each with its colour."""

    pixels: Pixels
    """uint8 [side, side, 3], the side being that of `fine(tile_px)`."""
    lines: tuple[tuple[str, str], ...] = ()
    frame: float = 0
    """Draws a thin line so far inside, as a share of the side; 0 draws none."""


Exhibit = tuple[Tile, ...]


@dataclass(frozen=True, eq=False)
class Section:
    """Exhibits of one kind, all with as many tiles."""

    title: str
    exhibits: Sequence[Exhibit]


@dataclass(frozen=True)
class Scale:
    """Colours, and what those at either end mean."""

    colours: str
    low: str
    high: str


@dataclass(frozen=True, eq=False)
class Sheet:
    """A page of sections."""

    title: str
    note: str
    sections: Sequence[Section]
    tile_px: int
    scale: Scale | None = None


def fine(tile_px: int) -> int:
    """Return the side that a tile's pixels must have."""
    return round(_FINENESS * tile_px)


def write_sheet(path: Path, sheet: Sheet) -> None:
    """Draw a sheet, as wide as its widest row needs."""
    layouts = [_Layout.of(section, sheet.tile_px) for section in sheet.sections]
    title = shortened(sheet.title, _N_LETTERS)
    words = max(7.2 * len(title) + 300 * bool(sheet.scale), 5.6 * len(sheet.note))
    # Even, so that they are whole pixels in the file too.
    width = 2 * round(max([2 * _MARGIN_PX + words, *(layout.width for layout in layouts)]) / 2)
    height = 2 * ceil((_HEAD_PX + sum(layout.height for layout in layouts) + _FOOT_PX) / 2)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_FINENESS * _DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.text(_MARGIN_PX, 22, title, size=11, color=INK, parse_math=False)
    axes.text(_MARGIN_PX, 41, sheet.note, size=7.5, color=MUTED, parse_math=False)
    size = (round(_FINENESS * height), round(_FINENESS * width), 3)
    canvas = np.full(size, 255, dtype=np.uint8)
    top = _HEAD_PX
    for section, layout in zip(sheet.sections, layouts, strict=True):
        _draw(axes, canvas, section, layout, top)
        top += layout.height
    if sheet.scale:
        _draw_scale(axes, canvas, sheet.scale, width - _MARGIN_PX)
    figure.figimage(canvas, zorder=-1)
    save(figure, path)


@dataclass(frozen=True)
class _Layout:
    """Where the tiles of a section go, in pixels from its upper left corner."""

    tile_px: int
    n_columns: int
    n_rows: int
    n_tiles: int
    n_lines: int
    title_px: int

    @classmethod
    def of(cls, section: Section, tile_px: int) -> "_Layout":
        """Return the layout of a section within the widest sheet."""
        n_tiles = max((len(exhibit) for exhibit in section.exhibits), default=1)
        tiles = (tile for exhibit in section.exhibits for tile in exhibit)
        n_lines = max((len(tile.lines) for tile in tiles), default=0)
        step = n_tiles * (tile_px + _TILE_GAP_PX) - _TILE_GAP_PX + _exhibit_gap(tile_px)
        fit = max(1, (_WIDTH_PX - 2 * _MARGIN_PX + _exhibit_gap(tile_px)) // step)
        n_columns = max(1, min(fit, len(section.exhibits)))
        n_rows = ceil(len(section.exhibits) / n_columns)
        title_px = _TITLE_PX if section.title else 0
        return cls(tile_px, n_columns, n_rows, n_tiles, n_lines, title_px)

    @property
    def step_x(self) -> int:
        """From one exhibit to the next."""
        width = self.n_tiles * (self.tile_px + _TILE_GAP_PX) - _TILE_GAP_PX
        return width + _exhibit_gap(self.tile_px)

    @property
    def step_y(self) -> int:
        """From one row to the next."""
        return self.tile_px + _LINE_PX * self.n_lines + _exhibit_gap(self.tile_px) // 2

    @property
    def width(self) -> int:
        """Of the section."""
        return 2 * _MARGIN_PX + self.n_columns * self.step_x - _exhibit_gap(self.tile_px)

    @property
    def height(self) -> int:
        """Of the section, its title included."""
        return self.title_px + self.n_rows * self.step_y + _FOOT_PX


def _exhibit_gap(tile_px: int) -> int:
    return min(_EXHIBIT_GAP_PX, tile_px // 5)


def _draw(axes: Axes, canvas: Pixels, section: Section, layout: _Layout, top: int) -> None:
    title = shortened(section.title, int(axes.get_xlim()[1] / _PX_A_TITLE_LETTER))
    axes.text(_MARGIN_PX, top + 17, title, size=9, color=INK, parse_math=False)
    for place, exhibit in enumerate(section.exhibits):
        row, column = divmod(place, layout.n_columns)
        upper = top + layout.title_px + row * layout.step_y
        for number, tile in enumerate(exhibit):
            left = _MARGIN_PX + column * layout.step_x
            left += number * (layout.tile_px + _TILE_GAP_PX)
            _paste(canvas, tile.pixels, left, upper)
            # Or an image with a white margin would have no end.
            _draw_square(axes, left, upper, layout.tile_px, edgecolor=_OUTLINE, lw=0.5)
            if tile.frame:
                inset = tile.frame * layout.tile_px
                side = layout.tile_px - 2 * inset
                look: dict[str, Any] = {"edgecolor": "white", "ls": "--", "lw": 0.7}
                _draw_square(axes, left + inset, upper + inset, side, **look)
            for line, (text, colour) in enumerate(tile.lines, start=1):
                words = shortened(text, int(layout.tile_px / _PX_A_LETTER))
                below = upper + layout.tile_px + _LINE_PX * line - 2
                axes.text(left, below, words, size=7, color=colour, parse_math=False)


def _paste(canvas: Pixels, pixels: Pixels, left: float, upper: float) -> None:
    x, y = round(_FINENESS * left), round(_FINENESS * upper)
    canvas[y : y + len(pixels), x : x + pixels.shape[1]] = pixels


def _draw_square(axes: Axes, left: float, upper: float, side: float, **look: Any) -> None:
    axes.add_patch(Rectangle((left, upper), side, side, fill=False, **look))


def _draw_scale(axes: Axes, canvas: Pixels, scale: Scale, right: int) -> None:
    """Draw the colours as a bar in the upper right corner, its ends named below it."""
    left = right - _BAR_PX
    steps = np.linspace(0, 1, round(_FINENESS * _BAR_PX))
    colours = np.round(255 * colormaps[scale.colours](steps)[:, :3]).astype(np.uint8)
    _paste(canvas, np.broadcast_to(colours, (round(_FINENESS * 8), *colours.shape)), left, 14)
    for x, text, side in ((left, scale.low, "left"), (right, scale.high, "right")):
        axes.text(x, 34, text, size=7, color=MUTED, ha=side, parse_math=False)
