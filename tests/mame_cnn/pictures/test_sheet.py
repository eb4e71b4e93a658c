from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from mame_cnn.pictures.sheet import Exhibit, Scale, Section, Sheet, Tile, fine, write_sheet

TILE_PX = 40
RED, GREEN = (255, 0, 0), (0, 128, 0)


def tile(colour: tuple[int, int, int], *lines: str, frame: float = 0) -> Tile:
    side = fine(TILE_PX)
    pixels = np.full((side, side, 3), colour, dtype=np.uint8)
    return Tile(pixels, tuple((line, "black") for line in lines), frame)


def draw(path: Path, *sections: Section, scale: Scale | None = None) -> np.ndarray:
    write_sheet(path / "sheet.png", Sheet("Title", "a note", sections, TILE_PX, scale))
    with Image.open(path / "sheet.png") as image:
        return np.asarray(image.convert("RGB"))


def places(pixels: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Return the upper left corner of each patch of a colour, row by row."""
    patches, _ = ndimage.label((pixels == colour).all(2))
    return [(rows.start, columns.start) for rows, columns in ndimage.find_objects(patches)]


def test_tiles_of_an_exhibit_stand_side_by_side_and_sections_below_each_other(
    tmp_path: Path,
) -> None:
    pair: Exhibit = (tile(RED), tile(GREEN))
    pixels = draw(tmp_path, Section("one", [pair]), Section("two", [pair]))
    red, green = places(pixels, RED), places(pixels, GREEN)
    assert len(red) == len(green) == 2
    for (row, left), (other_row, right) in zip(red, green, strict=True):
        assert row == other_row
        assert 0 < right - left - fine(TILE_PX) < 20
    assert red[1][0] > red[0][0] + fine(TILE_PX)
    assert red[1][1] == red[0][1]


def test_more_exhibits_than_fit_begin_another_row(tmp_path: Path) -> None:
    found = places(draw(tmp_path, Section("", [(tile(RED),)] * 40)), RED)
    assert len(found) == 40
    assert len({row for row, _ in found}) == 2


def test_a_section_without_exhibits_takes_its_title_only(tmp_path: Path) -> None:
    with_tiles = draw(tmp_path, Section("one", [(tile(RED),)]))
    without = draw(tmp_path, Section("one", []))
    assert without.shape[0] < with_tiles.shape[0]
    assert draw(tmp_path).shape[0] < without.shape[0]


def test_odd_and_endless_names_do_not_change_the_layout(tmp_path: Path) -> None:
    plain = draw(tmp_path, Section("one", [(tile(RED, "x"),)] * 20))
    odd = Section("$x$ 木 " + "long " * 90, [(tile(RED, "$\\frac$" + "木" * 80),)] * 20)
    assert draw(tmp_path, odd, scale=Scale("inferno", "$0", "$1")).shape == plain.shape


def test_a_frame_lies_so_far_inside(tmp_path: Path) -> None:
    pixels = draw(tmp_path, Section("", [(tile(RED, frame=0.25),)]))
    [(top, left)] = places(pixels, RED)
    own = pixels[top : top + fine(TILE_PX), left : left + fine(TILE_PX)]
    is_frame = own[..., 1] > 60
    is_frame[:3], is_frame[-3:], is_frame[:, :3], is_frame[:, -3:] = (False,) * 4  # the outline
    rows, columns = np.nonzero(is_frame)
    for places_of in (rows, columns):
        assert places_of.min() == pytest.approx(0.25 * fine(TILE_PX), abs=2)
        assert places_of.max() == pytest.approx(0.75 * fine(TILE_PX), abs=2)
