"""MAMe's official archives into a folder: downloaded, verified, unpacked, checked.

Each step is skipped where its result is there already, so the command may be given again.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from commands.errors import UserError
from mame_cnn.data import mame_layout
from mame_cnn.data.archive import unpack
from mame_cnn.data.download import PAUSES_S, download
from mame_cnn.data.listing import SPLITS
from mame_cnn.data.prepare import missing

BASE_URL = "https://storage.hpai.bsc.es/mame-dataset/"


@dataclass(frozen=True)
class Archive:
    """An archive by its name; `md5` as the dataset's authors publish it, or empty."""

    name: str
    md5: str = ""


METADATA = Archive("MAMe_metadata.zip", "0bca980978e3883f753f01ccad955981")
IMAGES = Archive("MAMe_data_256.zip")  # no sum is published: size and CRCs are verified


@dataclass(frozen=True)
class _Courier:
    """Where archives come from and go to, and how patiently."""

    folder: Path
    base_url: str
    pauses_s: tuple[float, ...]
    sleep: Callable[[float], None]

    def deliver(self, archive: Archive) -> None:
        """Get an archive, verify it and unpack it."""
        path = self.folder / archive.name
        is_ours = not path.exists()
        if is_ours:
            url = f"{self.base_url.rstrip('/')}/{archive.name}"
            print(f"{archive.name}: downloading from {url}")
            download(url, path, pauses_s=self.pauses_s, sleep=self.sleep)
        else:
            print(f"{archive.name}: is there already; not downloaded")
        size_mib = path.stat().st_size / 2**20
        verified = _verify(path, archive, is_ours)
        into = unpack(path, self.folder)
        print(f"{archive.name}: {size_mib:,.1f} MiB, {verified}, unpacked into {into}")
        if is_ours:
            path.unlink()


def fetch(
    folder: Path,
    base_url: str = BASE_URL,
    *,
    archives: Sequence[Archive] = (METADATA, IMAGES),
    pauses_s: tuple[float, ...] = PAUSES_S,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring MAMe into a folder, printing what is done.

    Args:
        archives: the metadata's, then the images'.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: a file; a folder is needed")
    folder.mkdir(parents=True, exist_ok=True)
    courier = _Courier(folder, base_url, pauses_s, sleep)
    try:
        with FileLock(folder / ".fetch.lock", timeout=0):
            _fetch_metadata(courier, archives[0])
            _fetch_images(courier, archives[1])
    except Timeout:
        raise UserError(f"{folder}: another process is fetching into it") from None


def _fetch_metadata(courier: _Courier, archive: Archive) -> None:
    table = mame_layout.find_table(courier.folder)
    if table is not None and table.with_name(mame_layout.LABELS).is_file():
        print(f"metadata: {table} is there already")
        return
    courier.deliver(archive)


def _fetch_images(courier: _Courier, archive: Archive) -> None:
    n_missing, n_images = _count(courier.folder)
    if n_missing == 0:
        print(f"images: all {n_images:,} are there already")
        return
    print(f"images: {n_missing:,} of {n_images:,} missing")
    courier.deliver(archive)
    n_missing, n_images = _count(courier.folder)
    if n_missing:
        raise UserError(
            f"{courier.folder}: {archive.name} lacks {n_missing:,} of {n_images:,} images that "
            "the metadata names"
        )
    print(f"images: all {n_images:,} are there")


def _count(folder: Path) -> tuple[int, int]:
    """Return how many of the images in the metadata are missing, and how many there are."""
    splits = mame_layout.read(folder).splits
    items = [item for split in SPLITS for item in splits[split]]
    return len(missing(items)), len(items)


def _verify(path: Path, archive: Archive, is_ours: bool) -> str:
    """Return in words what was verified; a wrong archive of ours is removed."""
    if not archive.md5:
        return "no sum is published, CRCs verified"
    with path.open("rb") as file:
        got = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if got == archive.md5:
        return "md5 verified"
    advice = "it was removed; try again" if is_ours else "remove it and try again"
    if is_ours:
        path.unlink()
    raise UserError(f"{path}: md5 is {got}, must be {archive.md5}; {advice}")
