"""Small pictures on disk whose brightness tells their class."""

from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = {"train": 8, "val": 4}


def make_pictures(folder: Path, *, size_px: int = 16) -> Path:
    """Write split/class/image.png for two classes; return the folder."""
    random = np.random.default_rng(0)
    for split, count in COUNTS.items():
        for label, brightness in enumerate((40, 200)):
            place = folder / split / f"class{label}"
            place.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(-40, 40, (size_px, size_px, 3)) + brightness
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{split}{number}.png")
    return folder
