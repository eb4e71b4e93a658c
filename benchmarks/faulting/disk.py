"""A small disk of a round's own, which can be filled and made read-only.

A file system in memory where we may mount one, which takes root. Elsewhere it is an ordinary
folder: a limit to the size of files stands for the full disk, permissions for the read-only one.
"""

import errno
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Protocol

_SIZE = "16m"
"""A finished study takes less than 2 MB."""
_FILLER = "filler"
_CHUNK = 64 * 1024
_MOST_TRIES = 500
_BETWEEN_TRIES_S = 0.01


class Disk(Protocol):
    """What can be done to the disk under a running search."""

    def fill(self, pids: Iterable[int]) -> None:
        """Leave no room for the search of these processes."""

    def empty(self, pids: Iterable[int]) -> None:
        """Give the room back."""

    def protect(self) -> bool:
        """Let nothing be written; return whether that was possible."""

    def release(self) -> None:
        """Let it be written again."""


@cache
def can_mount() -> bool:
    """Tell whether this process may mount a file system."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        if _mount("-t", "tmpfs", "-o", "size=64k", "faults", folder):
            subprocess.run(["umount", folder], check=True)
            return True
    return False


def how() -> str:
    """Say in one line by what means disks fill up and are made read-only here."""
    if can_mount():
        return f"disks: a tmpfs of {_SIZE} that a filler file fills, remounted read-only"
    return "disks: RLIMIT_FSIZE set from outside for a full one, permissions for a read-only one"


@contextmanager
def disk_at(folder: Path, *, is_small: bool) -> Iterator[Disk]:
    """Make a folder, on a disk of its own where that is asked for and possible."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (is_small and can_mount()):
        yield _Folder(folder)
        return
    if not _mount("-t", "tmpfs", "-o", f"size={_SIZE}", "faults", str(folder)):
        raise OSError(errno.EPERM, "cannot be mounted on", str(folder))
    try:
        yield _Mounted(folder)
    finally:
        with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
            kept = Path(aside, folder.name)
            shutil.copytree(folder, kept, symlinks=True)
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
            folder.rmdir()
            kept.rename(folder)


class _Mounted:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self, pids: Iterable[int]) -> None:
        """Write a file that takes all the room there is."""
        with (self._folder / _FILLER).open("wb", buffering=0) as file:
            for size in (_CHUNK, 1):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    def empty(self, pids: Iterable[int]) -> None:
        """Remove the file."""
        (self._folder / _FILLER).unlink(missing_ok=True)

    def protect(self) -> bool:
        """Remount it, in a moment in which nobody has a file open to write."""
        for _ in range(_MOST_TRIES):
            if _mount("-o", "remount,ro", str(self._folder)):
                return True
            time.sleep(_BETWEEN_TRIES_S)
        return False

    def release(self) -> None:
        """Remount it."""
        if not _mount("-o", "remount,rw", str(self._folder)):
            raise OSError(errno.EROFS, "cannot be made writable", str(self._folder))


class _Folder:
    """An ordinary folder, for a user who may not mount."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self, pids: Iterable[int]) -> None:
        """Let the processes write no file beyond the size of the largest."""
        sizes = (path.stat().st_size for path in self._folder.iterdir() if path.is_file())
        self._limit(pids, max(sizes, default=0))

    def empty(self, pids: Iterable[int]) -> None:
        """Lift the limit."""
        self._limit(pids, None)

    def _limit(self, pids: Iterable[int], size: int | None) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(
                    pid, resource.RLIMIT_FSIZE, (most if size is None else size, most)
                )

    def protect(self) -> bool:
        """Take the permission to write from the folder and what is in it."""
        if os.geteuid() == 0:  # permissions do not hold root back
            return False
        self._permit(is_writable=False)
        return True

    def release(self) -> None:
        """Give the permission back."""
        self._permit(is_writable=True)

    def _permit(self, *, is_writable: bool) -> None:
        for folder, _, names in os.walk(self._folder):
            os.chmod(folder, 0o755 if is_writable else 0o555)
            for name in names:
                with suppress(FileNotFoundError):
                    path = Path(folder, name)
                    if not path.is_symlink():
                        path.chmod(0o644 if is_writable else 0o444)


def _mount(*arguments: str) -> bool:
    done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    return done.returncode == 0
