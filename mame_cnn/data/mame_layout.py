"""MAMe's own layout: a table of names, mediums and subsets, and a flat folder of images.

`MAMe_metadata/MAMe_dataset.csv` (or the CSV in the folder itself) has a row an image; the
labels file beside it, without a header, numbers the mediums. Mediums are stripped before
they are joined, since the published table holds `Woven fabric ` with a trailing space.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from commands.counting import counted
from commands.errors import UserError
from commands.strangers import read_text
from mame_cnn.data.listing import SPLITS, Item, Listing, some

LAYOUT = "MAMe metadata"
TABLES = ("MAMe_metadata/MAMe_dataset.csv", "MAMe_dataset.csv")
LABELS = "MAMe_labels.csv"
IMAGE_FOLDERS = ("data_256", "MAMe_data_256/data_256", "MAMe_data_256")
MOST_BYTES = 256 * 2**20  # of a table; MAMe's has 5 MiB
N_DIGITS = 9  # of a class's number
NAME, MEDIUM, SUBSET, MUSEUM = "Image file", "Medium", "Subset", "Museum"


@dataclass(frozen=True)
class Row:
    """One line of the table; museum and original size (width, height) where they are given."""

    line: int
    name: str
    medium: str
    subset: str
    museum: str
    size: tuple[float, float] | None


def find_table(folder: Path) -> Path | None:
    """Return the folder's metadata table, if it has one."""
    return next((folder / table for table in TABLES if (folder / table).is_file()), None)


def find_images(folder: Path) -> Path | None:
    """Return the folder's flat image folder, if it has one."""
    return next((folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir()), None)


def read(folder: Path) -> Listing:
    """Return the images that a folder's metadata names, whether their files exist or not."""
    table = find_table(folder)
    if table is None:
        raise UserError(f"{folder}: no metadata; looked for {' and '.join(TABLES)}")
    classes = read_labels(table.with_name(LABELS))
    rows = read_table(table)
    _check_rows(table, rows, classes)
    images = find_images(folder)
    notes = () if images else (f"no image folder; looked for {', '.join(IMAGE_FOLDERS)}",)
    images = images or folder / IMAGE_FOLDERS[0]
    label = {name: k for k, name in enumerate(classes)}
    splits = {
        split: tuple(
            Item(row.name, images / row.name, label[row.medium], row.museum, row.size)
            for row in rows
            if row.subset == split
        )
        for split in SPLITS
    }
    return Listing(folder, LAYOUT, classes, splits, notes, _size_remark(rows))


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the class names of a labels file in the order of their numbers, 0 and up."""
    faults, names = [], dict[int, str]()
    for line, row in _lines(path):
        number = row[0].strip()
        name = row[1].strip() if len(row) == 2 else ""
        if not (number.isascii() and number.isdigit() and len(number) <= N_DIGITS and name):
            faults.append(f"line {line}: expected number,name, got {','.join(row)!r}")
        elif int(number) in names or name in names.values():
            faults.append(f"line {line}: {number},{name} repeats a number or a name")
        else:
            names[int(number)] = name
    gaps = sorted(set(range(len(names))) - set(names))
    if not faults and gaps:
        faults = [f"numbers must run from 0 to {len(names) - 1}; missing: {gaps}"]
    if not names and not faults:
        faults = ["the file is empty"]
    if faults:
        raise UserError("\n".join([f"{path}:", *some(faults)]))
    return tuple(names[k] for k in range(len(names)))


def read_table(path: Path) -> list[Row]:
    """Return the rows of a metadata table; complain of missing columns and short rows."""
    lines = _lines(path)
    header = [column.strip() for column in lines[0][1]] if lines else []
    missing = [column for column in (NAME, MEDIUM, SUBSET) if column not in header]
    if missing:
        raise UserError(
            f"{path}: missing columns: {', '.join(missing)}; "
            f"found: {', '.join(header) or 'an empty file'}"
        )
    short = [
        f"line {line}: {counted(len(row), 'column')}, the header has {len(header)}"
        for line, row in lines[1:]
        if len(row) != len(header)
    ]
    if short:
        raise UserError("\n".join([f"{path}:", *some(short)]))
    return [_row(line, dict(zip(header, row, strict=True))) for line, row in lines[1:]]


def _row(line: int, cells: dict[str, str]) -> Row:
    try:
        size = (float(cells["Width"]), float(cells["Height"]))
    except (KeyError, ValueError):
        size = None
    if size and not all(isfinite(side) and side > 0 for side in size):
        size = None
    name, medium, subset = (cells[column].strip() for column in (NAME, MEDIUM, SUBSET))
    return Row(line, name, medium, subset, cells.get(MUSEUM, "").strip(), size)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the non-empty rows of a CSV file with their line numbers."""
    try:
        text = read_text(path, MOST_BYTES).removeprefix("\ufeff")
        reader = csv.reader(io.StringIO(text, newline=""))
        return [(reader.line_num, row) for row in reader if any(row)]
    except FileNotFoundError:
        raise UserError(f"{path}: not found; it belongs to MAMe's metadata") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8: {error}") from None


def _check_rows(path: Path, rows: Sequence[Row], classes: tuple[str, ...]) -> None:
    """Refuse a table with any fault, naming all of them."""
    if not rows:
        raise UserError(f"{path}: holds no rows")
    repeated = {name for name, n in Counter(row.name for row in rows).items() if n > 1}
    strangers = Counter(row.medium for row in rows if row.medium not in classes)
    kinds = {
        "names that are no plain file names": [
            f"line {row.line}: {row.name!r}" for row in rows if not _is_plain(row.name)
        ],
        f"unknown subsets (allowed: {', '.join(SPLITS)})": [
            f"line {row.line}: {row.subset!r}" for row in rows if row.subset not in SPLITS
        ],
        f"mediums that {LABELS} does not have (it has: {', '.join(classes)})": [
            f"{medium!r} in {counted(n, 'row')}" for medium, n in strangers.items()
        ],
        "image files named more than once": [
            f"line {row.line}: {row.name}" for row in rows if row.name in repeated
        ],
    }
    faults = [f"{kind}:\n" + "\n".join(some(found)) for kind, found in kinds.items() if found]
    if faults:
        raise UserError(f"{path}: " + "\n".join(faults))


def _is_plain(name: str) -> bool:
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0")


def _size_remark(rows: Sequence[Row]) -> str:
    sizes = [row.size for row in rows if row.size is not None]
    if not sizes:
        return ""
    widths, heights = zip(*sizes, strict=True)
    return (
        "Width and Height in the metadata describe the original photographs "
        f"(widths {min(widths):,.0f} to {max(widths):,.0f}, heights {min(heights):,.0f} to "
        f"{max(heights):,.0f} pixels), not the files here"
    )
