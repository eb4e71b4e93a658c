"""Images decoded once, into one uint8 array a split that is memory-mapped ever after.

Missing and unreadable images are collected over all splits asked for and reported at once. Only
where many are missing, as in a half unpacked collection, the others are not tried.
"""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.progress import Progress

from commands.counting import counted
from commands.errors import UserError
from mame_cnn.data import cache as store
from mame_cnn.data.dataset import Pixels, Split, dataset_digest, image_digest, mean_and_std
from mame_cnn.data.images import RULES_VERSION, UnreadableImageError, inspect_image, read_image
from mame_cnn.data.listing import Item, Listing, some
from mame_cnn.data.progress import bar, in_threads

CHANNELS = 3
FEW_MISSING = 100  # with no more than these missing, the other images are tried as well
Decoded = tuple[Pixels, str, npt.NDArray[np.int64]]  # pixels, digest, histogram [C, 256]
Files = Mapping[str, list[tuple[str, int, int, int]]]  # split -> name, label, size, time


def prepare(
    listing: Listing,
    splits: Sequence[str],
    image_size: int,
    cache: Path | None = None,
    progress: bool = True,
) -> tuple[dict[str, Split], store.Meta, Path]:
    """Return splits as memory-mapped arrays, their record, and the folder they lie in.

    The record has the digest of the splits and, over the first of them, mean and std.
    """
    files, absent = _files(listing, splits)
    if absent:
        _refuse(listing, splits, absent, progress)
    spot = _place(listing, files, image_size, cache)
    n_images = sum(len(listing.splits[split]) for split in splits)
    n_bytes = n_images * image_size**2 * CHANNELS + 2**20  # 1 MiB for headers and the record

    def make(folder: Path) -> store.Meta:
        return _decode_all(listing, splits, image_size, folder, progress)

    meta = store.get(spot, n_bytes, make)
    try:
        _check_record(meta)
        return {s: _open(listing, s, image_size, spot.folder) for s in splits}, meta, spot.folder
    except ValueError as error:
        raise UserError(f"{spot.folder}: not what is kept here ({error}); remove it") from error


def missing(items: Sequence[Item]) -> list[Item]:
    """Return the items whose file does not exist."""
    return [item for item in items if not item.path.exists()]


def _files(listing: Listing, splits: Sequence[str]) -> tuple[Files, set[Item]]:
    """Return each split's names, labels, file sizes and times, and the items without a file."""
    files: Files = {split: [] for split in splits}
    absent = set[Item]()
    for split in splits:
        for item in listing.splits[split]:
            try:
                stat = os.stat(item.path)
            except OSError:
                absent.add(item)
            else:
                files[split].append((item.name, item.label, stat.st_size, stat.st_mtime_ns))
    return files, absent


def _refuse(
    listing: Listing, splits: Sequence[str], absent: Collection[Item], progress: bool
) -> NoReturn:
    """Name the missing images and, if they are few, the unreadable ones among the others."""
    items = [item for split in splits for item in listing.splits[split]]
    lines = [
        f"{listing.folder}: {len(absent):,} of {counted(len(items), 'image')} "
        f"({', '.join(splits)}) missing; is it unpacked completely?",
        *listing.notes,
        *some(str(item.path.relative_to(listing.folder)) for item in items if item in absent),
    ]
    if len(absent) <= FEW_MISSING:
        present = [item for item in items if item not in absent]
        with bar(progress) as display:
            tried = in_threads(_fault, present)
            faults = display.track(tried, len(present), description="trying the others")
            lines += _unreadable([fault for fault in faults if fault])
    raise UserError("\n".join(lines))


def _fault(item: Item) -> str:
    try:
        inspect_image(item.path)
    except UnreadableImageError as error:
        return f"{item.path}: {error}"
    return ""


def _unreadable(faults: Sequence[str]) -> list[str]:
    head = f"{counted(len(faults), 'unreadable image')}, to be mended or removed:"
    return [head, *some(faults)] if faults else []


def _place(listing: Listing, files: Files, image_size: int, cache: Path | None) -> store.Place:
    """Return where the splits belong in the cache, by all that they are made from."""
    made_from = [RULES_VERSION, image_size, list(listing.classes), files]
    root = (cache or store.cache_folder()).expanduser().resolve()
    return store.place(root, listing.folder, image_size, "+".join(files), made_from)


def _decode_all(
    listing: Listing, splits: Sequence[str], image_size: int, folder: Path, progress: bool
) -> store.Meta:
    """Write each split's array into the folder; raise one error for all unreadable images."""
    digests = dict[str, list[tuple[str, int, str]]]()
    histograms = dict[str, npt.NDArray[np.int64]]()
    faults: list[str] = []
    with bar(progress) as display:
        for split in splits:
            items = listing.splits[split]
            results = _write_split(folder / f"{split}.npy", items, image_size, display)
            faults += results[2]
            histograms[split] = results[1]
            digests[split] = [
                (item.name, item.label, digest)
                for item, digest in zip(items, results[0], strict=False)
            ]
    if faults:
        raise UserError(f"{listing.folder}: " + "\n".join(_unreadable(faults)))
    mean, std = mean_and_std(histograms[splits[0]])
    return {
        "source": str(listing.folder),
        "image_size": image_size,
        "rules_version": RULES_VERSION,
        "digest": dataset_digest(listing.classes, image_size, digests),
        "mean": mean,
        "std": std,
        "n_copies": _n_copies(digests),
    }


def _n_copies(digests: Mapping[str, list[tuple[str, int, str]]]) -> int:
    """Count the validation images that are training images too, pixel for pixel."""
    train, val = (
        [digest for _, _, digest in digests.get(split, ())] for split in ("train", "val")
    )
    known = set(train)
    return sum(digest in known for digest in val)


def copies_note(meta: store.Meta) -> tuple[str, ...]:
    """Return what is to be told of validation images that were trained on; earlier records: ()."""
    n = meta.get("n_copies")
    if not isinstance(n, int) or n < 1:
        return ()
    are = "is a training image" if n == 1 else "are training images"
    return (
        f"{counted(n, 'validation image')} {are} too, pixel for pixel, so accuracies are too "
        "good; `python -m mame_cnn.data summary` names equal files",
    )


def _write_split(
    path: Path, items: Sequence[Item], image_size: int, display: Progress
) -> tuple[list[str], npt.NDArray[np.int64], list[str]]:
    """Decode one split into a .npy file; return image digests, histograms and faults."""

    def decode(item: Item) -> Decoded | str:
        try:
            pixels = read_image(item.path, image_size)
        except UnreadableImageError as error:
            return f"{item.path}: {error}"
        levels = np.array(Image.fromarray(pixels).histogram()).reshape(CHANNELS, 256)
        return pixels, image_digest(pixels), levels.astype(np.int64)

    digests, faults = [], []
    histograms = np.zeros((CHANNELS, 256), dtype=np.int64)
    shape = (len(items), image_size, image_size, CHANNELS)
    task = display.add_task(f"preparing {path.stem}", total=len(items))
    # Plain writes, not a writable memory map: a full disk raises here, there it kills.
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for result in in_threads(decode, items):
            display.advance(task)
            if isinstance(result, str):
                faults.append(result)
            elif not faults:
                file.write(result[0].data)
                digests.append(result[1])
                histograms += result[2]
    return digests, histograms, faults


def _check_record(meta: store.Meta) -> None:
    """Raise `ValueError` for a record without what was put into it: others may share a cache."""
    digest = meta.get("digest")
    if not (isinstance(digest, str) and re.fullmatch("[0-9a-f]{12}", digest)):
        raise ValueError("its digest is none")
    for name in ("mean", "std"):
        values = meta.get(name)
        if not (isinstance(values, list | tuple) and len(values) == CHANNELS):
            raise ValueError(f"its {name} is not {CHANNELS} numbers")
        if not all(isinstance(value, float) and 0 <= value <= 1 for value in values):
            raise ValueError(f"its {name} is not {CHANNELS} shares")


def _open(listing: Listing, split: str, image_size: int, folder: Path) -> Split:
    items = listing.splits[split]
    images = np.load(folder / f"{split}.npy", mmap_mode="r")
    shape = (len(items), image_size, image_size, CHANNELS)
    if images.dtype != np.uint8 or images.shape != shape:
        raise ValueError(f"{split}.npy is {images.dtype} {images.shape}, not uint8 {shape}")
    labels = np.array([item.label for item in items], dtype=np.int64)
    labels.setflags(write=False)
    names, museums = (tuple(item.name for item in items), tuple(item.museum for item in items))
    return Split(images, labels, names, museums if any(museums) else (), _sizes(items))


def _sizes(items: Sequence[Item]) -> npt.NDArray[np.float64] | None:
    known = [item.size for item in items if item.size is not None]
    if not items or len(known) < len(items):
        return None
    sizes = np.array(known, dtype=np.float64)
    sizes.setflags(write=False)
    return sizes
