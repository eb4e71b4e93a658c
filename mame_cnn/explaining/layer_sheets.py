"""Sheets of what layers see in an image, and of what the first one looks for."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mame_cnn.data.dataset import Pixels
from mame_cnn.explaining.scene import View
from mame_cnn.pictures.drawing import INK, MUTED
from mame_cnn.pictures.sheet import Exhibit, Scale, Section, Sheet, Tile, fine
from mame_cnn.pictures.tints import SIGNED, STRENGTH, kernel, plain, signals

TILE_PX, KERNEL_PX = 100, 52
SIDE, KERNEL_SIDE = fine(TILE_PX), fine(KERNEL_PX)
N_CHANNELS, N_KERNELS = 10, 120
"""Shown of a layer, the strongest first: what fits a row, and what fits a page."""
Maps = npt.NDArray[np.float32]


def activations(
    view: View, image: Pixels, name: str, lines: Sequence[tuple[str, str]], layers: list[str]
) -> Sheet:
    """Return the maps of an image [H, W, C] in some layers."""
    maps = view.explainer.activations(image, layers)
    sections = [_layer(layer, maps[layer]) for layer in layers]
    original: Exhibit = (Tile(plain(image, SIDE), tuple(lines)),)
    has_signs = any(bool((of_layer < 0).any()) for of_layer in maps.values())
    scale = Scale(STRENGTH, "0", "most in a layer")
    if has_signs and all(bool((of_layer < 0).any()) for of_layer in maps.values()):
        scale = Scale(SIGNED, "below 0", "above 0")
    title = f"What layers see in {name}" + (f": {view.name}" if view.name else "")
    note = "each layer's strongest channels, by their mean strength in this image"
    return Sheet(title, note, [Section("", [original]), *sections], TILE_PX, scale)


def filters(views: Sequence[View]) -> Sheet:
    """Return the kernels of the first convolution, as the images they look for."""
    sections = []
    for view in views:
        kernels = view.explainer.filters()
        strengths = np.sqrt((kernels.astype(np.float64) ** 2).sum((1, 2, 3)))
        order = np.argsort(-strengths, kind="stable")[:N_KERNELS]
        exhibits: list[Exhibit] = [
            (
                Tile(
                    kernel(kernels[number], KERNEL_SIDE),
                    ((str(number + 1), INK), (f"{strengths[number]:.2f}", MUTED)),
                ),
            )
            for number in order
        ]
        size = f"{kernels.shape[2]} x {kernels.shape[3]} pixels"
        head = f"{view.name}: " if view.name else ""
        shown = f"{len(order)} of " if len(order) < len(kernels) else ""
        sections.append(Section(f"{head}{shown}{len(kernels)} filters, {size}", exhibits))
    note = "mid-grey: no weight; each to its own greatest; below: number and norm, strongest first"
    return Sheet("Filters of the first layer", note, sections, KERNEL_PX)


def _layer(name: str, maps: Maps) -> Section:
    strengths = np.abs(maps).mean((1, 2))
    order = np.argsort(-strengths, kind="stable")[:N_CHANNELS]
    largest, is_signed = float(np.abs(maps).max()), bool((maps < 0).any())
    exhibits: list[Exhibit] = [
        (
            Tile(
                signals(maps[number], SIDE, largest, is_signed=is_signed),
                ((f"channel {number + 1}", MUTED),),
            ),
        )
        for number in order
    ]
    n_silent = int((np.abs(maps).max((1, 2)) == 0).sum())
    silent = f"; {n_silent} see nothing here" if n_silent else ""
    size = f"{maps.shape[1]} x {maps.shape[2]} pixels"
    return Section(f"{name}: {len(order)} of {len(maps)} channels, {size}{silent}", exhibits)
