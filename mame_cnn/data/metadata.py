"""What a collection's metadata say of an image that may be shown to a classifier beside it.

Off everywhere unless a configuration asks for it: sizes are those of a museum's photographs, so
that they tell which museum it was, and how it photographs such objects, before what is seen.
"""

import numpy as np
import numpy.typing as npt

from commands.errors import UserError
from mame_cnn.data.dataset import Dataset, Split

N_SIZE = 3
"""Inputs that a size makes."""
WARNING = (
    "note: width, height and aspect ratio of the original photographs are inputs. They tell how a "
    "museum photographs, not what is seen: expect less of images from elsewhere, and look at the "
    "results by museum"
)


def size_inputs(split: Split) -> npt.NDArray[np.float32]:
    """Return [N, 3]: log2 of width and of height in 2,048 pixels, and width / height less 1.

    Each is 0 for a square of usual size and some 1 away from it for the others: MAMe's
    photographs have 255 to 61,000 pixels a side, most of them 1,000 to 4,000.
    """
    if split.sizes is None:
        raise ValueError("a split without sizes")
    width, height = split.sizes.T
    inputs = np.stack([np.log2(width / 2048), np.log2(height / 2048), width / height - 1], axis=1)
    return inputs.astype(np.float32)


def check_sizes(dataset: Dataset) -> None:
    """Raise `UserError` unless the size of every image is known."""
    splits = {"train": dataset.train, "val": dataset.val}
    if missing := [name for name, split in splits.items() if split.sizes is None]:
        raise UserError(
            f"{dataset.source}: metadata: Width and Height are not known of every image in "
            f"{' and '.join(missing)}; MAMe's own CSV has them (MAMe_metadata/MAMe_dataset.csv)"
        )
