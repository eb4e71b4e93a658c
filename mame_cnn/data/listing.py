"""What a folder says it holds, before any image is opened: classes, and files by split."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from commands.counting import counted
from commands.errors import UserError
from commands.strangers import has_control_characters, shown
from mame_cnn.data.stratified import choose

SPLITS = ("train", "val", "test")
VAL_SHARE = 0.15  # of train, where a folder brings no val of its own
N_SHOWN = 20  # faults of one kind named in a message; the others are counted
N_LETTERS = 2000  # of one of them; a stranger's file may hold names of any length


@dataclass(frozen=True)
class Item:
    """One image: its name within the split, its file, its class as an index, and its museum."""

    name: str
    path: Path
    label: int
    museum: str = ""
    """Empty where the folder does not say."""
    size: tuple[float, float] | None = None
    """Width and height of the original photograph in pixels; None where nobody says."""


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


def escaped(name: str) -> str:
    """Return a file's name with each byte that is not UTF-8 written as an escape."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def some(faults: Iterable[str]) -> list[str]:
    """Return the first faults, and a count of the others, as indented lines."""
    lines = list(faults)
    first = [f"  {_cut(line)}" for line in lines[:N_SHOWN]]
    return [*first, f"  ... and {len(lines) - N_SHOWN:,} more"] if lines[N_SHOWN:] else first


def _cut(line: str) -> str:
    return line if len(line) <= N_LETTERS else f"{line[:N_LETTERS]} ..."


def checked(listing: Listing) -> Listing:
    """Return the listing with a val split, or refuse what no network can be trained on."""
    _check_names(listing)
    if len(listing.classes) < 2:
        raise UserError(
            f"{listing.folder}: only {len(listing.classes)} class "
            f"({', '.join(listing.classes) or 'none'}); at least 2 are needed"
        )
    empty = listing.classes_without("train")
    if empty:
        n_empty = counted(len(empty), "class", "classes")
        head = f"{listing.folder}: {n_empty} without an image in train:"
        raise UserError("\n".join([head, *some(empty)]))
    if listing.splits["val"]:
        absent = listing.classes_without("val")
        note = f"classes without an image in val: {', '.join(absent)}"
        return replace(listing, notes=(*listing.notes, note)) if absent else listing
    return _with_val_from_train(listing)


def _check_names(listing: Listing) -> None:
    """Refuse names that no CSV, TOML file or terminal can hold, before anything is computed."""
    images = [
        f"{split}/{item.name}"
        for split in SPLITS
        for item in listing.splits[split]
        if _is_utf8(listing.classes[item.label])  # else the class is named already
    ]
    museums = {item.museum for split in SPLITS for item in listing.splits[split]}
    names = [str(listing.folder), *listing.classes, *images, *sorted(museums)]
    odd = [escaped(name) for name in names if not _is_utf8(name)]
    if odd:
        head = f"{escaped(str(listing.folder))}: {counted(len(odd), 'name')} not in UTF-8, to be"
        raise UserError("\n".join([f"{head} changed:", *some(odd)]))
    if controls := [name for name in names if has_control_characters(name)]:
        n_names = counted(len(controls), "name")
        head = f"{shown(str(listing.folder))}: {n_names} with control characters, to be changed:"
        raise UserError("\n".join([head, *some(map(shown, controls))]))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


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
