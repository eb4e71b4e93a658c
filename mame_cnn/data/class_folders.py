"""The layout DIR/{train,val,test}/<class>/: one folder a class, in each split.

Classes are sorted by name. Files are images by their suffix; hidden files are ignored, and
other files are counted in a note. `val` may be called `validation` or `valid`, or be absent.
"""

from collections import Counter
from pathlib import Path

from commands.counting import counted
from commands.errors import UserError
from mame_cnn.data.listing import Item, Listing, escaped, some

LAYOUT = "class folders"
FOLDERS = {"train": ("train",), "val": ("val", "validation", "valid"), "test": ("test",)}
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
OTHER_SUFFIXES = (".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".jp2")
PLAIN_SUFFIXES = (".ppm", ".pgm", ".pbm", ".pnm", ".tga")
IMAGE_SUFFIXES = frozenset((*JPEG_SUFFIXES, *OTHER_SUFFIXES, *PLAIN_SUFFIXES))


def read(folder: Path) -> Listing:
    """Return the images of a folder whose `train` holds one folder a class."""
    roots = {split: _split_folder(folder, names) for split, names in FOLDERS.items()}
    found = {split: _subfolders(root) for split, root in roots.items()}
    classes = tuple(sorted(found["train"]))
    if not classes:
        raise UserError(f"{folder / 'train'}: holds no class folders, only files or nothing")
    unknown = [
        f"{path.relative_to(folder)}"
        for split in ("val", "test")
        for name, path in sorted(found[split].items())
        if name not in classes
    ]
    if unknown:
        head = f"{folder}: {counted(len(unknown), 'class folder')} that train does not have:"
        raise UserError("\n".join([head, *some(escaped(name) for name in unknown)]))
    splits, left_out = {}, Counter[str]()
    for split, by_class in found.items():
        items: list[Item] = []
        for label, name in enumerate(classes):
            if name in by_class:
                items += _items(by_class[name], label, left_out)
        splits[split] = tuple(items)
    return Listing(folder, LAYOUT, classes, splits, _notes(left_out))


def holds_images(folder: Path) -> bool:
    """Tell whether a folder has an image directly in it, by the files' suffixes."""
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())


def _split_folder(folder: Path, names: tuple[str, ...]) -> Path | None:
    present = [folder / name for name in names if (folder / name).is_dir()]
    if len(present) > 1:
        raise UserError(f"{folder}: one val folder only, got {', '.join(p.name for p in present)}")
    return present[0] if present else None


def _subfolders(root: Path | None) -> dict[str, Path]:
    if root is None:
        return {}
    return {p.name: p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")}


def _items(folder: Path, label: int, left_out: Counter[str]) -> list[Item]:
    items = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() or path.suffix.lower() not in IMAGE_SUFFIXES:
            left_out["a folder" if path.is_dir() else path.suffix.lower() or "no suffix"] += 1
        else:
            items.append(Item(f"{folder.name}/{path.name}", path, label))
    return items


def _notes(left_out: Counter[str]) -> tuple[str, ...]:
    if not left_out:
        return ()
    kinds = ", ".join(f"{escaped(kind)}: {n}" for kind, n in sorted(left_out.items()))
    n_entries = counted(left_out.total(), "entry", "entries")
    return (f"no images, left out of the class folders: {n_entries} ({kinds})",)
