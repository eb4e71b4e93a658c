"""`python -m benchmarks.resplit DIR OUT`: a small collection, split so that validation tells more.

The rule: all labelled images of train and val, and of test only where those are too few, in
one pool; from each class its share, in the order of SHA-256 of the file's name. What is left of
a larger pool is not used. OUT holds symbolic links, as class folders.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn.data.layout import read_listing
from mame_cnn.data.listing import Item, Listing
from mame_cnn.data.stratified import choose

_SALT = "search benchmark"

Splits = Mapping[str, Sequence[Item]]


def main(argv: Sequence[str] | None = None) -> int:
    """Split anew, and say how many images each split has."""
    options = _parser().parse_args(argv)
    lay_out(options.data, options.train_images, options.val_images, options.out)
    print(f"{options.out}: {options.train_images} train and {options.val_images} val images")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resplit", description=(__doc__ or "").partition("\n\n")[2]
    )
    parser.add_argument("data", metavar="DIR")
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that is not there yet")
    add_sizes(parser)
    return parser


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """Add how many images each split is given."""
    for split, default in (("train", 750), ("val", 500)):
        parser.add_argument(
            f"--{split}-images",
            type=whole(at_least=2),
            default=default,
            metavar="N",
            help="default: %(default)s",
        )


def lay_out(data: str, n_train: int, n_val: int, folder: Path) -> None:
    """Make a folder with the new splits, whole or not at all; `UserError` where one is there."""
    if folder.exists():
        raise UserError(f"{folder}: is there already")
    splits = resplit(read_listing(data), n_train, n_val)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
    link(splits, unfinished)
    unfinished.rename(folder)


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


if __name__ == "__main__":
    sys.exit(exit_status(main))
