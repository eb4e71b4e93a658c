"""The data command: `python -m mame_cnn.data summary|prepare|fetch`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from commands.errors import UserError, exit_status
from mame_cnn.data import digits, pictures
from mame_cnn.data.fetch import BASE_URL, fetch
from mame_cnn.data.layout import read_listing
from mame_cnn.data.load import checked_image_size
from mame_cnn.data.prepare import prepare
from mame_cnn.data.summarising import summarise
from mame_cnn.data.summary_page import write_summary

EXAMPLES = """examples:
  python -m mame_cnn.data summary digits
  python -m mame_cnn.data summary data/mame --out mame-summary
  python -m mame_cnn.data prepare data/mame --image-size 64
  python -m mame_cnn.data fetch data/mame
"""
FETCH_EXAMPLES = """A broken download is resumed when the command is given again. Archives that
already lie in DIR are used and kept; those downloaded are removed once they are unpacked.

examples:
  python -m mame_cnn.data fetch data/mame
  python -m mame_cnn.data fetch data/mame --url https://mirror.example.org/mame
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the data command."""
    arguments = _parser().parse_args(argv)
    run = {"summary": _summary, "prepare": _prepare, "fetch": _fetch}[arguments.command]
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.data",
        description="Look at, prepare or download a collection of labelled images.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about, out in (
        (
            "summary",
            "count, check and picture the images",
            "folder for the pictures and their page (default: NAME-summary)",
        ),
        ("prepare", "decode train and val once, into the cache", "cache folder to use"),
    ):
        command = commands.add_parser(
            name,
            help=about,
            description=about.capitalize() + ".",
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("folder", metavar="DIR", help="a folder of images, or: digits")
        command.add_argument("--image-size", type=int, metavar="PX", help="side of the square")
        command.add_argument("--out", type=Path, metavar="PATH", help=out)
    command = commands.add_parser(
        "fetch",
        help="download MAMe and unpack it",
        description="Download MAMe's official archives, verify and unpack them.",
        epilog=FETCH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", metavar="DIR", help="where to put it, such as data/mame")
    command.add_argument("--url", default=BASE_URL, metavar="BASE", help="default: %(default)s")
    return parser


def _summary(arguments: argparse.Namespace) -> int:
    found = summarise(arguments.folder, arguments.image_size)
    print("\n".join(found.lines), flush=True)  # drawing takes a while
    drawn = found.draw()
    if pictures.SHEET not in drawn:
        print("contact sheet and mean images: not drawn, since there is no train image to show")
    folder = arguments.out or Path(f"{found.name}-summary")
    written = write_summary(folder, found.name, found.lines, drawn)
    print(f"pictures: {', '.join(map(str, written))}")
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    size = checked_image_size(arguments.folder, arguments.image_size)
    if arguments.folder == digits.NAME:
        print("digits: embedded; nothing to prepare")
        return 0
    started = time.perf_counter()
    listing = read_listing(arguments.folder)
    splits, meta, folder = prepare(listing, ("train", "val"), size, arguments.out)
    elapsed_s = time.perf_counter() - started
    n_bytes = sum(split.images.nbytes for split in splits.values())
    for note in listing.notes:
        print(note)
    counts = ", ".join(f"{name} {len(split.names):,}" for name, split in splits.items())
    print(f"{listing.name} at {size} x {size}: {counts}; digest {meta['digest']}")
    print(f"prepared: {folder} ({n_bytes / 2**20:,.1f} MiB, {elapsed_s:.1f} s)")
    print("test is left alone until an evaluation opens it")
    if arguments.out:
        print(f"to train from it: export MAME_CACHE={arguments.out.resolve()}")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    if not arguments.folder:
        raise UserError("the folder's name is empty; give a folder, such as data/mame")
    fetch(Path(arguments.folder), arguments.url)
    print(f"next: python -m mame_cnn.data summary {arguments.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main))
