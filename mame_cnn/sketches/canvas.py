"""What all sketches share: fonts, colours, how names are written, and how a PNG comes about."""

import io
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mame_cnn.pictures.drawing import shortened

Point = tuple[float, float]
TEXT_PX, TITLE_PX = 11, 13


@cache
def font(size_px: int = TEXT_PX) -> ImageFont.FreeTypeFont:
    """Return the font of matplotlib's figures, which knows more scripts than Pillow's own."""
    import matplotlib  # half a second, which workers that complete no trial need not wait for

    return ImageFont.truetype(
        Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size_px
    )


def named(text: str, n_letters: int) -> str:
    """Return a name on one line, cut where it is longer than there is room for."""
    return shortened(" ".join(text.split()), n_letters)


def write(
    pen: ImageDraw.ImageDraw,
    at: Point,
    text: str,
    *,
    fill: str,
    anchor: str = "ls",
    size_px: int = TEXT_PX,
) -> None:
    """Write one line; the anchor is Pillow's, on the baseline from the left by default."""
    pen.text(at, text, fill=fill, font=font(size_px), anchor=anchor)


def write_pieces(
    pen: ImageDraw.ImageDraw, at: Point, pieces: Sequence[tuple[str, str]], size_px: int = TEXT_PX
) -> None:
    """Write texts of their own colours one after the other."""
    left, base = at
    for text, fill in pieces:
        write(pen, (left, base), text, fill=fill, size_px=size_px)
        left += font(size_px).getlength(text)


@lru_cache(maxsize=2048)
def stamp(text: str, size_px: int) -> Image.Image:
    """Return a short text as a mask; to write it again so takes a tenth of the time."""
    left, top, right, bottom = font(size_px).getbbox(text, anchor="lt")
    mask = Image.new("L", (round(right - left), round(bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font(size_px), anchor="lt")
    return mask


def png(picture: Image.Image, *, is_photo: bool = False) -> bytes:
    """Return a picture as the content of a PNG file, packed for speed.

    Two thirds of the time of Pillow's default, half of it for photos, in which there is little
    to be found again.
    """
    content = io.BytesIO()
    strategy = zlib.Z_RLE if is_photo else zlib.Z_DEFAULT_STRATEGY
    picture.save(content, format="PNG", compress_level=1, compress_type=strategy)
    return content.getvalue()
