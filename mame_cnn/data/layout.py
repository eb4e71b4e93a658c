"""Which layout a folder has, told by what lies in it."""

from collections.abc import Iterator
from pathlib import Path

from commands.errors import UserError
from commands.strangers import has_control_characters, shown
from mame_cnn.data import class_folders, mame_layout
from mame_cnn.data.listing import Listing, checked


def read_listing(source: str | Path) -> Listing:
    """Return the images of a folder in either layout; metadata wins where both are there."""
    if not str(source):
        raise UserError("the folder's name is empty; give a folder, or the word: digits")
    if has_control_characters(str(source)):
        raise UserError(f"{shown(str(source))}: a name with control characters; give a folder")
    folder = Path(source).expanduser().resolve()
    if not folder.exists():
        raise UserError(f"{source}: no such folder (it may also be the word: digits)")
    if not folder.is_dir():
        raise UserError(f"{source}: a file; a folder of images is needed")
    if mame_layout.find_table(folder) is not None:
        return checked(mame_layout.read(folder))
    if (folder / "train").is_dir():
        return checked(class_folders.read(folder))
    present = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))[:8]
    lines = (
        f"{folder}: neither layout found; looked for",
        f"  {' or '.join(mame_layout.TABLES)} (MAMe, "
        "which `python -m mame_cnn.data fetch DIR` downloads)",
        "  train/<class>/ with images, and val/<class>/, test/<class>/",
        f"  the folder holds: {', '.join(present) or 'nothing'}",
    )
    raise UserError("\n".join([*lines, *_hints(folder)]))


def _hints(folder: Path) -> Iterator[str]:
    """Yield what was probably meant, judged by the folders that are there."""
    known = {name for names in class_folders.FOLDERS.values() for name in names}
    folders = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    misnamed = sorted({p.name for p in folders if p.name.lower() in known} - known)
    if misnamed:
        yield f"  folder names are lower case: train, val, test; got: {', '.join(misnamed)}"
    elif sum(class_folders.holds_images(p) for p in folders) > 1:
        if folder.name in known:
            yield f"  this is one split; give the folder above it: {folder.parent}"
        else:
            yield f"  put the class folders into {folder / 'train'}/"
