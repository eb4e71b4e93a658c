"""Images from anywhere, decoded and resized as a model's training images were."""

from pathlib import Path

import numpy as np
from PIL import Image

from mame_cnn.data.dataset import Pixels
from mame_cnn.data.images import UnreadableImageError, read_image
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.model import Model


def decoded(path: Path, model: Model | Ensemble) -> Pixels | str:
    """Return an image as the model's training images were made, or what is wrong with it."""
    try:
        pixels = read_image(path, model.image_size)
    except UnreadableImageError as error:
        return f"{path}: {error}"
    if model.channels == 1:
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., np.newaxis]
    return pixels
