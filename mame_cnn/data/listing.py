"""What a folder says it holds, before any image is opened: classes, and files by split."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mame_cnn.data.stratified import choose
from mame_cnn.errors import UserError

SPLITS = ("train", "val", "test")
VAL_SHARE = 0.15  # of train, where a folder brings no val of its own
N_SHOWN = 20  # faults of one kind named in a message; the others are counted


@dataclass(frozen=True)
class Item:
    """One image: its name within the split, its file, and its class as an index."""

    name: str
    path: Path
    label: int


@dataclass(frozen=True)
class Listing:
    """All images of a folder.

    Args:
        folder: absolute.
        layout: how the folder is laid out, in words.
        classes: in the order of the labels.
        splits: the items of train, val and test; a split may be empty.
        notes: lines that the user must be told.
        remark: what the folder says of its images' sizes, for a summary.
    """

    folder: Path
    layout: str
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[Item, ...]]
    notes: tuple[str, ...] = ()
    remark: str = ""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name or "root"

    def counts(self, split: str) -> list[int]:
        """Return the number of images of each class in a split."""
        tally = Counter(item.label for item in self.splits[split])
        return [tally[label] for label in range(len(self.classes))]

    def classes_without(self, split: str) -> list[str]:
        """Return the classes that have no image in a split."""
        counts = zip(self.classes, self.counts(split), strict=True)
        return [name for name, count in counts if count == 0]


def some(faults: Iterable[str]) -> list[str]:
    """Return the first faults, and a count of the others, as indented lines."""
    lines = list(faults)
    shown = [f"  {line}" for line in lines[:N_SHOWN]]
    return [*shown, f"  ... and {len(lines) - N_SHOWN:,} more"] if lines[N_SHOWN:] else shown


def checked(listing: Listing) -> Listing:
    """Return the listing with a val split, or refuse what no network can be trained on."""
    if len(listing.classes) < 2:
        raise UserError(
            f"{listing.folder}: only {len(listing.classes)} class "
            f"({', '.join(listing.classes) or 'none'}); at least 2 are needed"
        )
    empty = listing.classes_without("train")
    if empty:
        lines = [f"{listing.folder}: {len(empty)} classes without an image in train:"]
        raise UserError("\n".join([*lines, *some(empty)]))
    if listing.splits["val"]:
        absent = listing.classes_without("val")
        note = f"classes without an image in val: {', '.join(absent)}"
        return replace(listing, notes=(*listing.notes, note)) if absent else listing
    return _with_val_from_train(listing)


def _with_val_from_train(listing: Listing) -> Listing:
    train = listing.splits["train"]
    picked = choose(
        [item.name for item in train],
        [item.label for item in train],
        round(VAL_SHARE * len(train)),
        "val from train",
    )
    if not picked:
        raise UserError(f"{listing.folder}: no val split, and train is too small to give one")
    splits = {
        **listing.splits,
        "train": tuple(item for i, item in enumerate(train) if i not in picked),
        "val": tuple(item for i, item in enumerate(train) if i in picked),
    }
    note = (
        f"no val split in {listing.folder}: {len(picked):,} of the {len(train):,} train images "
        f"({VAL_SHARE:.0%} of each class, always the same ones) serve as val"
    )
    return replace(listing, splits=splits, notes=(*listing.notes, note))
