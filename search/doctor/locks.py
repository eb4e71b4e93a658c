"""Locks beside a journal, and who holds them.

The lock under which a journal is written is a link that Optuna makes and removes again within
milliseconds; it does not say whose it is. A process of this host that holds it has the journal
open. Where none has, and the link stays as it is for as long as Optuna itself would wait, its
process is dead. The lock of the claims is the system's, which frees it with the process.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from search.doctor.finding import Finding, Note

_PROC = Path("/proc")
_GRACE_S = 30.0  # optuna.storages.journal.JournalFileSymlinkLock
_WATCH_S = 1.0
"""The least for which a lock is watched; nobody holds it for as long."""
_BETWEEN_LOOKS_S = 0.1
_SUFFIX, _RENAMED = ".lock", ".rename"
"""Of the lock, and of one that was being removed."""


def locks(
    path: Path,
    claims: FileLock,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Iterator[Finding | Note]:
    """Yield the locks of a journal that dead processes have left, and those that are held."""
    lock = Path(f"{path}{_SUFFIX}")
    for left in sorted(path.parent.glob(f"{lock.name}?*{_RENAMED}")):
        yield Finding(f"{left}: left by a process that died", "removed", _remover(left))
    if os.path.lexists(lock):
        if holders := holders_of(path):
            yield Note(f"{lock}: held by {', '.join(holders)}")
        elif _stays(lock, sleep, now):
            yield Finding(
                f"{lock}: nobody holds the lock, it was left by a process that died",
                "removed",
                _remover(lock),
            )
    if not os.path.exists(claims.lock_file):
        return
    try:
        with claims.acquire(timeout=_WATCH_S):
            return
    except Timeout:
        pass
    except OSError:  # a folder that one may only read
        return
    by = ", ".join(holders_of(Path(claims.lock_file))) or "a process elsewhere"
    yield Note(f"{claims.lock_file}: held by {by}, who claims a trial")


def holders_of(path: Path) -> list[str]:
    """Return the processes of this host that have a file open, as far as one may look."""
    wanted = path.resolve()
    return [
        _described(process)
        for process in sorted(_PROC.glob("[0-9]*"))
        if process.name != str(os.getpid()) and _has_open(process, wanted)
    ]


def _has_open(process: Path, wanted: Path) -> bool:
    with suppress(OSError):  # it has just ended, or is somebody else's
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if os.readlink(descriptor) == str(wanted):
                    return True
    return False


def _described(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")[:4]
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return f"process {process.name}"
    command = " ".join(word.decode(errors="replace") for word in words if word)
    stopped = ", which is stopped" if state in "Tt" else ""
    return f"process {process.name} ({command.encode('unicode_escape').decode()[:80]}){stopped}"


def _stays(lock: Path, sleep: Callable[[float], None], now: Callable[[], float]) -> bool:
    """Tell whether a lock stays the same until it is older than Optuna itself would wait."""
    first = _identity(lock)
    if first is None:
        return False
    watch_s = max(_WATCH_S, _GRACE_S - max(0.0, now() - first[1] / 1e9))
    for _ in range(round(watch_s / _BETWEEN_LOOKS_S)):
        sleep(_BETWEEN_LOOKS_S)
        if _identity(lock) != first:
            return False
    return True


def _identity(lock: Path) -> tuple[int, int] | None:
    try:
        status = lock.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _remover(lock: Path) -> Callable[[], None]:
    seen = _identity(lock)

    def remove() -> None:
        if _identity(lock) == seen:  # else somebody holds it by now
            lock.unlink(missing_ok=True)

    return remove
