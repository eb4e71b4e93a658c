"""The embedded data: scikit-learn's 1,797 handwritten digits, real images of 8 x 8.

Values 0..16 are scaled to 0..255 and rounded, then each image is enlarged with Pillow's
bicubic filter. The split is fixed and stratified: 300 test, 300 val, 1,197 train.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from mame_cnn.data.dataset import (
    Dataset,
    Labels,
    Pixels,
    Split,
    dataset_digest,
    image_digest,
    mean_and_std,
)
from mame_cnn.data.stratified import choose

NAME = "digits"
IMAGE_SIZE = 32
N_HELD_OUT = 300  # images of test, and as many of val: 10 classes of 30, one point is 3 images
CLASSES = tuple(str(digit) for digit in range(10))
NOTE = "data: the embedded digits; for MAMe give --data DIR, set $MAME_DATA or fill data/mame"


def load(image_size: int) -> Dataset:
    """Return the train and val splits of the digits."""
    splits = {split: _split(split, image_size) for split in ("train", "val")}
    levels = np.bincount(splits["train"].images.reshape(-1), minlength=256)
    mean, std = mean_and_std(levels[np.newaxis].astype(np.int64))
    digest = dataset_digest(
        CLASSES,
        image_size,
        {
            name: list(zip(s.names, s.labels.tolist(), map(image_digest, s.images), strict=True))
            for name, s in splits.items()
        },
    )
    return Dataset(
        name=NAME,
        source=NAME,
        classes=CLASSES,
        image_size=image_size,
        channels=1,
        mean=mean,
        std=std,
        digest=digest,
        notes=(NOTE,),
        train=splits["train"],
        val=splits["val"],
    )


def list_test() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the names and labels of the test split."""
    labels = original()[1]
    indices = split_indices(labels)["test"].tolist()
    return tuple(map(name_of, indices)), tuple(labels[indices].tolist())


def load_test(image_size: int) -> Split:
    """Return the test split of the digits."""
    return _split("test", image_size)


def original() -> tuple[Pixels, Labels]:
    """Return all digits as scikit-learn has them, scaled to 0..255: [N, 8, 8] and [N]."""
    table = _table()  # 64 pixels and the label a row
    values = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return values, table[:, -1].astype(np.int64)


def _table() -> npt.NDArray[np.float64]:
    """Read the file of scikit-learn's that has the digits: its package takes seconds to import."""
    found = find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder, "datasets/data/digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits  # wherever it has them now

    images, labels = load_digits(return_X_y=True)
    return np.column_stack([images, labels])


def split_indices(labels: Labels) -> dict[str, npt.NDArray[np.int64]]:
    """Return which of the 1,797 digits belong to train, val and test."""
    rest = list(range(len(labels)))
    indices = {}
    for split in ("test", "val"):
        names = [name_of(i) for i in rest]
        picked = choose(names, [int(labels[i]) for i in rest], N_HELD_OUT, f"digits {split}")
        indices[split] = np.array([i for j, i in enumerate(rest) if j in picked])
        rest = [i for j, i in enumerate(rest) if j not in picked]
    return {"train": np.array(rest), **indices}


def name_of(index: int) -> str:
    """Return the name of one of the 1,797 digits."""
    return f"digit-{index:04d}"


def _split(split: str, image_size: int) -> Split:
    values, labels = original()
    indices = split_indices(labels)[split]
    images = np.stack([_enlarge(values[i], image_size) for i in indices])[..., np.newaxis]
    chosen = labels[indices]
    images.setflags(write=False)
    chosen.setflags(write=False)
    return Split(images, chosen, tuple(name_of(int(i)) for i in indices))


def _enlarge(values: Pixels, image_size: int) -> Pixels:
    image = Image.fromarray(values).resize((image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(image)
