"""Which layout a folder has, told by what lies in it."""

from pathlib import Path

from mame_cnn.data import class_folders, mame_layout
from mame_cnn.data.listing import Listing, checked
from mame_cnn.errors import UserError


def read_listing(source: str | Path) -> Listing:
    """Return the images of a folder in either layout; metadata wins where both are there."""
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
    raise UserError(
        f"{folder}: neither layout found; looked for\n"
        f"  {' or '.join(mame_layout.TABLES)} (MAMe, "
        "which `python -m mame_cnn.data fetch DIR` downloads)\n"
        "  train/<class>/ with images, and val/<class>/, test/<class>/\n"
        f"  the folder holds: {', '.join(present) or 'nothing'}"
    )
