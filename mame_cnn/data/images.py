"""One image file to one square of RGB bytes, by rules that hold for every file.

- The first frame of an animation; turned upright as its EXIF orientation says.
- 16-bit greyscale is scaled to 8 bits (65,535 becomes 255); 16-bit colour is cut to its high
  bytes, as Pillow does. Greyscale, palette and CMYK become RGB; colour profiles are ignored.
- Transparent pixels are laid over white.
- The image is resized to a square with an antialiased bicubic filter, without keeping its
  aspect ratio, so that nothing is cut off and nothing padded; MAMe's 256 x 256 version
  is square throughout, too. A JPEG is decoded at the smallest scale that is still twice as large.
- Truncated files, files of other formats, floating-point images and images of more than
  179 million pixels are unreadable; what is no regular file, such as a FIFO, is never opened.
- The number of pixels is judged by the header, before anything is decoded, and large images are
  decoded one at a time: a file of a few kilobytes can claim gigabytes.
"""

from contextlib import nullcontext
from functools import cache
from pathlib import Path
from stat import S_ISREG
from threading import Lock

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mame_cnn.data.dataset import Pixels

RULES_VERSION = 1  # counts up when a rule above changes, so that nothing old is reused
MOST_PIXELS = 2**29 // 3  # as Pillow's own limit, which any library may lift: 0.7 GB decoded
FORMATS = (  # not all that Pillow knows: it would run Ghostscript on an EPS
    *("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP"),
)
_LARGE_PIXELS = 2**24  # 64 MiB decoded, and as much again for each conversion
_LARGE = Lock()


class UnreadableImageError(Exception):
    """An image file that cannot be decoded; the message says why."""


def read_image(path: Path, image_size: int) -> Pixels:
    """Return an image as uint8 [image_size, image_size, 3]."""
    # The decoder may skip what a filter to half the size would not keep.
    image, _ = _decode(path, 2 * image_size)
    return np.asarray(image.resize((image_size, image_size), Image.Resampling.BICUBIC))


def inspect_image(path: Path) -> tuple[int, int]:
    """Return an image's width and height as stored, once it has decoded, coarsely if it can."""
    return _decode(path, 1)[1]


def _decode(path: Path, least_px: int) -> tuple[Image.Image, tuple[int, int]]:
    """Return an upright RGB image, its sides at least `least_px`, and its stored size."""
    try:
        if not S_ISREG(path.stat().st_mode):
            raise ValueError("not a regular file")
        with Image.open(path, formats=_formats()) as image:
            size = image.size
            if (n_pixels := size[0] * size[1]) > MOST_PIXELS:
                raise ValueError(f"{n_pixels:,} pixels, at most {MOST_PIXELS:,} are decoded")
            image.draft(None, (least_px, least_px))
            # What is decoded, which a draft makes smaller.
            with _LARGE if image.width * image.height > _LARGE_PIXELS else nullcontext():
                return _to_rgb(ImageOps.exif_transpose(image)), size
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly any type on a damaged file
        raise UnreadableImageError(_reason(error)) from error


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that are read, as far as this Pillow knows them."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if image.mode.startswith("I"):
        return Image.fromarray(_scaled_to_8_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, "white")
        return Image.alpha_composite(white, colours).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _scaled_to_8_bits(values: npt.NDArray[np.generic]) -> Pixels:
    # 65,535 / 255 = 257; mode "I" is 32 bits wide but holds 16-bit files.
    clipped = np.clip(values.astype(np.int64), 0, 65535)
    return ((clipped + 128) // 257).astype(np.uint8)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
