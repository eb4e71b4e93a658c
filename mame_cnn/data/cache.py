"""Where prepared images lie: one folder a preparation, complete or not there at all.

    CACHE/<name>-<source>-<size>px/<part>-<key>/{<split>.npy..., meta.json}

The key covers all that the arrays were made from, so a changed file leads to another folder,
which replaces the one it supersedes. Nothing here knows how an image is decoded.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from commands.errors import UserError

META = "meta.json"
CANNOT_WRITE = ("EACCES", "EPERM", "EROFS", "ENOTDIR", "ENOENT", "EEXIST", "ENOTEMPTY")
UNWRITABLE = frozenset(getattr(errno, name) for name in CANNOT_WRITE)
HEAD_BYTES = 4096  # of each file; they hold an array's header
Meta = dict[str, Any]  # as JSON gives it


@dataclass(frozen=True)
class Place:
    """Where one preparation belongs.

    Args:
        home: the folder of everything prepared from one source at one size.
        part: which splits are together in it.
        key: digest of what they are made from.
    """

    home: Path
    part: str
    key: str

    @property
    def folder(self) -> Path:
        """The folder of the complete preparation."""
        return self.home / f"{self.part}-{self.key}"

    def read(self) -> Meta | None:
        """Return the preparation's record, or None if it is absent or damaged."""
        try:
            meta = json.loads((self.folder / META).read_text(encoding="utf-8"))
            files = {name: _fingerprint(self.folder / name) for name in meta["files"]}
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return meta if isinstance(meta, dict) and files == meta["files"] else None


def cache_folder() -> Path:
    """Return $MAME_CACHE, or mame-cnn in the user's cache folder ($XDG_CACHE_HOME, ~/.cache)."""
    named = os.environ.get("MAME_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().resolve() / "mame-cnn"


def place(cache: Path, source: Path, image_size: int, part: str, made_from: object) -> Place:
    """Return where a preparation belongs; `made_from` is anything JSON can write."""
    where = hashlib.sha256(str(source).encode()).hexdigest()[:8]
    key = hashlib.sha256(json.dumps([str(source), made_from]).encode()).hexdigest()[:12]
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in source.name) or "root"
    return Place(cache / f"{name}-{where}-{image_size}px", part, key)


def get(spot: Place, n_bytes: int, make: Callable[[Path], Meta]) -> Meta:
    """Return the record of a preparation, making it first if it is absent or damaged.

    Processes that want the same one wait for the first. A failure leaves nothing behind.

    Args:
        n_bytes: room that the preparation needs on the disk.
        make: writes its files into the folder it is given and returns the record.
    """
    if meta := spot.read():
        return meta
    with _disk_faults_named(spot.home):
        spot.home.mkdir(parents=True, exist_ok=True)
        with FileLock(spot.home / f"{spot.part}.lock"):
            meta = spot.read()
            if meta is None:
                _remove_superseded(spot)
                _check_room(spot.home, n_bytes)
                meta = _make(spot, make)
            return meta


def _make(spot: Place, make: Callable[[Path], Meta]) -> Meta:
    partial = Path(tempfile.mkdtemp(prefix=f".{spot.part}-", dir=spot.home))
    try:
        meta = make(partial)
        meta["files"] = {path.name: _fingerprint(path) for path in partial.iterdir()}
        (partial / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
        partial.chmod(0o755)  # mkdtemp's 0700 would shut out others who share the cache
        os.replace(partial, spot.folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return meta


def _fingerprint(path: Path) -> list[int | str]:
    """Return a file's size and the digest of its head; the whole would take minutes to read."""
    with path.open("rb") as file:
        return [path.stat().st_size, hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()]


def _remove_superseded(spot: Place) -> None:
    """Remove older preparations of this part, damaged ones, and what a killed process left.

    Called under the lock, so nobody is writing; an open memory map survives on POSIX.
    """
    for path in spot.home.iterdir():
        if path.is_dir() and path.name.lstrip(".").startswith(f"{spot.part}-"):
            shutil.rmtree(path, ignore_errors=True)


def _check_room(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise UserError(
            f"{folder}: no room: the prepared images need {n_bytes / 2**20:,.0f} MiB, "
            f"{free / 2**20:,.0f} MiB are free; choose a smaller --image-size, "
            "or another disk with $MAME_CACHE"
        )


@contextmanager
def _disk_faults_named(folder: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into an error that says where and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fault = "the disk filled up while images were prepared; nothing of it was kept"
        elif error.errno in UNWRITABLE:
            fault = f"the cache folder cannot be written ({(error.strerror or '').lower()})"
        else:
            raise
        raise UserError(f"{folder}: {fault}; choose another with $MAME_CACHE") from error
