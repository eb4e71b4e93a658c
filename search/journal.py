"""A journal file of Optuna's that stays whole when the disk is full or a writer dies.

Any program that reads Optuna's journals reads this one.
"""

import json
import os
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from optuna.storages.journal import (
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)

from commands.errors import naming

_FIRST_BYTES = b'{"op_code":'  # how Optuna writes the first record of every journal


def is_journal(path: Path) -> bool:
    """Tell whether a file begins as journals do; an empty one is a journal without studies."""
    with path.open("rb") as file:
        first = file.read(len(_FIRST_BYTES))
    return _FIRST_BYTES.startswith(first)


class Journal(JournalFileBackend):
    """Appends records whole or not at all.

    Optuna's own backend leaves half a line behind when a write fails, and the next record,
    written after it, makes the whole journal unreadable. It also forces every record to the disk,
    1 to 3 ms each; here details of a running trial go there with the next record that is more.
    A machine that loses its power loses such a trial anyway.
    """

    def __init__(self, path: Path) -> None:
        # On Windows ordinary users cannot make symbolic links.
        lock_type = JournalFileOpenLock if os.name == "nt" else JournalFileSymlinkLock
        self._path = path
        # The lock is a link to what it is given. A relative path would be read from the lock's own
        # folder and lead nowhere: who waits would then spin, and never break a dead writer's lock.
        self._writing = lock_type(str(path.absolute()))
        super().__init__(str(path), lock_obj=self._writing)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records; what an earlier writer left unfinished is cut off first."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._writing.acquire()
        try:
            # Unbuffered: nothing may be written on closing after the file was cut.
            with naming(self._path), self._path.open("r+b", buffering=0) as file:
                _append(file, text.encode(), is_forced=not all(map(_is_detail, logs)))
        finally:
            self._writing.release()


def _append(file: FileIO, text: bytes, *, is_forced: bool) -> None:
    end = _end_of_lines(file)
    file.truncate(end)
    file.seek(end)
    try:
        while text:
            text = text[file.write(text) :]
        if is_forced:
            os.fsync(file.fileno())
    except BaseException:
        file.truncate(end)
        raise


def _is_detail(log: Mapping[str, Any]) -> bool:
    """Tell whether a record is a value, a report or an attribute of a trial, and no state."""
    return "trial_id" in log and "state" not in log


def _end_of_lines(file: FileIO) -> int:
    """Return where the last whole line ends; we hold the lock, so nobody is still writing it."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return 0
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return size
    file.seek(0)
    return file.read().rfind(b"\n") + 1
