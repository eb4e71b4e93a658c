"""Probabilities as a CSV file: a row an image, with its name, its true class, and `prob CLASS`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from commands.errors import UserError
from commands.strangers import read_text
from mame_cnn.scoring.scores import Floats, Integers, check_probs


def write_probabilities(
    path: Path, probs: Floats, labels: Integers, names: Sequence[str], classes: Sequence[str]
) -> None:
    """Write probabilities [N, K]; their columns are prefixed, as a class may be called `image`."""
    table = pd.DataFrame(probs, columns=[_column(name) for name in classes])
    table.insert(0, "image", list(names))
    table.insert(1, "label", [classes[label] for label in labels])
    table.to_csv(path, index=False)


def read_probabilities(
    path: Path, labels: Integers, names: Sequence[str], classes: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Return the probabilities [N, K] that a file has of these very images, in their order.

    Raises `UserError` if it is damaged or about other images.
    """
    # Four bytes a letter, three of quotes and commas, and as many digits as a float64 can have.
    n_letters = sum(map(len, names)) + (len(names) + 1) * sum(map(len, classes))
    most_bytes = 2**16 + 4 * n_letters + 32 * (len(names) + 1) * (len(classes) + 2)
    try:
        text = read_text(path, most_bytes)
        header = next(csv.reader(text.splitlines()[:1]), [])
        if len(header) != len(classes) + 2:  # pandas takes its time for columns by the thousand
            raise ValueError(f"{len(header)} columns, {len(classes) + 2} are expected")
        table = pd.read_csv(
            io.StringIO(text),
            dtype={"image": str, "label": str},
            keep_default_na=False,
        )
        probs = table[[_column(name) for name in classes]].to_numpy(dtype=np.float64)
        own = list(zip(table["image"], table["label"], strict=True))
    except (ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        raise UserError(f"{path}: no table of probabilities: {error}") from None
    if own != [(name, classes[label]) for name, label in zip(names, labels, strict=True)]:
        raise UserError(
            f"{path}: is not about these {len(names):,} images; it names {len(own):,}, or others"
        )
    try:
        check_probs(probs, labels)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return probs


def _column(name: str) -> str:
    return f"prob {name}"
