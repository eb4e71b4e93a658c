"""Re-splitting a small collection, so that its validation set can tell networks apart.

The rule: all labelled images of train and val, and of test only where those are too few, in
one pool; from each class its share, in the order of SHA-256 of the file's name. What is left of
a larger pool is not used.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from commands.errors import UserError
from mame_cnn.data.listing import Item, Listing
from mame_cnn.data.stratified import choose

_SALT = "search benchmark"

Splits = Mapping[str, Sequence[Item]]


def resplit(listing: Listing, n_train: int, n_val: int) -> Splits:
    """Return new train and val splits of about these sizes, each class with its share."""
    pool = [*listing.splits["train"], *listing.splits["val"]]
    if len(pool) < n_train + n_val:
        pool += listing.splits["test"]
    if len(pool) < n_train + n_val:
        raise UserError(
            f"{listing.folder}: {n_train} train and {n_val} val images are asked for, "
            f"there are {len(pool)} in all"
        )
    val, others = _divided(pool, n_val)
    train = others if len(others) == n_train else _divided(others, n_train)[0]
    return {"train": train, "val": val}


def link(splits: Splits, folder: Path) -> None:
    """Make a tree of symbolic links, split/class/image, that any reader of images understands."""
    for split, items in splits.items():
        for number, item in enumerate(items):
            place = folder / split / f"{item.label:03d}"
            place.mkdir(parents=True, exist_ok=True)
            # Numbered: what was in different splits may have one name.
            (place / f"{number:06d}-{item.path.name}").symlink_to(item.path.resolve())


def _divided(items: Sequence[Item], n: int) -> tuple[list[Item], list[Item]]:
    """Return n chosen items and the others, both in their old order."""
    names, labels = [item.path.name for item in items], [item.label for item in items]
    chosen = choose(names, labels, n, _SALT)
    return (
        [item for i, item in enumerate(items) if i in chosen],
        [item for i, item in enumerate(items) if i not in chosen],
    )
