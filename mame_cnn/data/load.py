"""The door to all data: which source is meant, its train and val splits, its test split.

The test split has functions of its own, so that nothing else opens it by accident.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from commands.errors import UserError
from mame_cnn.configuration.config import LARGEST_IMAGE_SIZE, SMALLEST_IMAGE_SIZE
from mame_cnn.data import digits
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.data.layout import read_listing
from mame_cnn.data.prepare import CHANNELS, copies_note, prepare

FOLDER_IMAGE_SIZE = 256  # the size of MAMe's reduced version
DEFAULT_FOLDER = "data/mame"


def find_source(given: str | None) -> str:
    """Return the source to use: the given one, $MAME_DATA, data/mame, then the digits."""
    if given == "":
        raise UserError("--data: empty, perhaps an unset variable; give a folder or: digits")
    if given is not None:
        return given
    named = os.environ.get("MAME_DATA", "")
    if named:
        if named != digits.NAME and not Path(named).is_dir():
            raise UserError(f"$MAME_DATA: {named} is not a folder")
        return named
    default = Path(DEFAULT_FOLDER)
    # A fetch that never got anywhere leaves a folder with nothing but its hidden lock.
    has_files = default.is_dir() and any(p.name[0] != "." for p in default.iterdir())
    return DEFAULT_FOLDER if has_files else digits.NAME


def load_dataset(
    source: str, image_size: int | None = None, cache: Path | None = None, progress: bool = True
) -> Dataset:
    """Return the train and val splits of a source, preparing them where needed.

    Args:
        source: "digits" or a folder.
        image_size: side in pixels; 32 for the digits and 256 for a folder when not given.
        cache: where prepared images are kept; `cache_folder()` when not given.
        progress: show a bar while preparing, if stderr is a terminal.
    """
    size = checked_image_size(source, image_size)
    if source == digits.NAME:
        return digits.load(size)
    listing = read_listing(source)
    splits, meta, _ = prepare(listing, ("train", "val"), size, cache, progress)
    return Dataset(
        name=listing.name,
        source=str(listing.folder),
        classes=listing.classes,
        image_size=size,
        channels=CHANNELS,
        mean=tuple(meta["mean"]),
        std=tuple(meta["std"]),
        digest=meta["digest"],
        notes=(*listing.notes, *copies_note(meta)),
        train=splits["train"],
        val=splits["val"],
    )


@dataclass(frozen=True)
class TestListing:
    """What a source says of its test split, before any of its images is opened."""

    __test__ = False  # not a test, whatever its name begins with

    data_name: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]


def list_test(source: str) -> TestListing:
    """Return names and labels of the test split; no names if a source has none."""
    if source == digits.NAME:
        names, labels = digits.list_test()
        return TestListing(digits.NAME, digits.CLASSES, names, labels)
    listing = read_listing(source)
    items = listing.splits["test"]
    return TestListing(
        listing.name,
        listing.classes,
        tuple(item.name for item in items),
        tuple(item.label for item in items),
    )


def test_files(source: str, paths: Iterable[Path]) -> list[Path]:
    """Return those of the paths that are files of a source's test split; none is opened.

    A source that is not there, or no longer any data, has no such files.
    """
    folder = Path(source).expanduser().resolve()
    inside = {path: file for path in paths if (file := path.resolve()).is_relative_to(folder)}
    if source == digits.NAME or not inside:
        return []
    try:
        items = read_listing(source).splits["test"]
    except UserError:
        return []
    closed = {item.path.resolve() for item in items}
    return [path for path, file in inside.items() if file in closed]


def load_test(
    source: str, image_size: int | None = None, cache: Path | None = None, progress: bool = True
) -> Split:
    """Return the test split of a source; its images are prepared here and nowhere else."""
    size = checked_image_size(source, image_size)
    if source == digits.NAME:
        return digits.load_test(size)
    listing = read_listing(source)
    if not listing.splits["test"]:
        raise UserError(f"{listing.folder}: has no test split")
    return prepare(listing, ("test",), size, cache, progress)[0]["test"]


def checked_image_size(source: str, image_size: int | None) -> int:
    """Return the side in pixels to prepare a source at, within what is allowed."""
    if image_size is None:
        return digits.IMAGE_SIZE if source == digits.NAME else FOLDER_IMAGE_SIZE
    if not SMALLEST_IMAGE_SIZE <= image_size <= LARGEST_IMAGE_SIZE:
        raise UserError(
            f"image size {image_size}: must be {SMALLEST_IMAGE_SIZE} to {LARGEST_IMAGE_SIZE} px"
        )
    return image_size
