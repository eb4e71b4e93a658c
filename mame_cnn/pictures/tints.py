"""Numbers as colours: heat laid over an image, a layer's maps, a convolution's kernels.

Every function returns a square tile, uint8 [side, side, 3].
"""

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from mame_cnn.data.dataset import Pixels

HEAT, STRENGTH, SIGNED = "inferno", "viridis", "RdBu_r"
"""matplotlib's colours for heat over an image, for numbers from 0, and for both signs."""
_GREY = 0.6
"""How far an image gives up its own colours below heat, which they would be mistaken for."""
_COVER = 0.6
"""How much of the colour is heat's; what has none is dark, as at the left end of the scale."""
Numbers = npt.NDArray[np.floating]


def plain(image: Pixels, side: int) -> Pixels:
    """Return an image [H, W, C]; enlarged without smoothing, to be honest."""
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    method = Image.Resampling.NEAREST if len(image) < side else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(pixels).convert("RGB").resize((side, side), method))


def overlaid(image: Pixels, heat: Numbers, side: int) -> Pixels:
    """Return an image [H, W, C] below a heat map [h, w] of numbers from 0 to 1."""
    below = plain(image, side).astype(np.float64) / 255
    below += _GREY * (below.mean(2, keepdims=True) - below)
    colours = colormaps[HEAT](_smooth(heat, side))[..., :3]
    return _bytes((1 - _COVER) * below + _COVER * colours)


def heated(heat: Numbers, side: int, largest: float) -> Pixels:
    """Return a heat map [h, w] alone, smooth as it lies over images."""
    return _bytes(colormaps[HEAT](_smooth(heat, side) / (largest or 1))[..., :3])


def signals(values: Numbers, side: int, largest: float, *, is_signed: bool) -> Pixels:
    """Return a map [h, w], each of its pixels to be seen; 0 is white where there are signs."""
    scaled = values / (largest or 1)
    scaled = (scaled + 1) / 2 if is_signed else scaled
    colours = _bytes(colormaps[SIGNED if is_signed else STRENGTH](scaled)[..., :3])
    return plain(colours, side)


def kernel(weights: Numbers, side: int) -> Pixels:
    """Return a kernel [C, k, k] as the image it looks for: weight 0 is mid-grey.

    Its largest weight is as far from grey as can be. Kernels of 3 channels have colours; others
    are drawn as the mean over channels.
    """
    image = weights if len(weights) == 3 else weights.mean(0, keepdims=True)
    largest = float(np.abs(image).max()) or 1
    return plain(_bytes(0.5 + image.transpose(1, 2, 0) / (2 * largest)), side)


def _smooth(heat: Numbers, side: int) -> npt.NDArray[np.float64]:
    image = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float64)


def _bytes(colours: npt.NDArray[np.floating]) -> Pixels:
    found: Pixels = np.round(255 * np.clip(colours, 0, 1)).astype(np.uint8)
    return found
