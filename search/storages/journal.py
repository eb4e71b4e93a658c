"""A journal file of Optuna's that stays whole when the disk is full or a writer dies.

Any program that reads Optuna's journals reads this one. What damages it all the same - a network
file system, another program - is told when it is read; `search.doctor` repairs it.
"""

import json
import os
import re
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import (
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)

from commands.errors import UserError, naming
from commands.telling import to_stderr
from search.storages.journal_line import LONGEST, read_line
from search.storages.journal_wording import began

LOCK_VARIABLE = "MAME_JOURNAL_LOCK"
"""The environment variable that chooses the lock; one for all processes on a journal."""
_LOCKS: dict[str, type[JournalFileOpenLock] | type[JournalFileSymlinkLock]] = {
    "link": JournalFileSymlinkLock,
    "open": JournalFileOpenLock,
}
"""By making a link, or a file that must not be there: for file systems without safe links."""
_FIRST_BYTES = b'{"op_code":'  # how Optuna writes the first record of every journal
_LATER_RECORD = re.compile(rb"[\n\0]" + re.escape(_FIRST_BYTES))
_LOOKED_INTO = 16 * 2**20
"""Bytes of a file in which a record makes it a journal, whatever it begins with."""
_TAIL = 64
"""Bytes by which the last line read is known again; records differ in more than their first."""


def is_journal(path: Path) -> bool:
    """Tell whether a file begins as journals do, or did before its beginning was damaged.

    An empty file is a journal without studies, and so are the NUL bytes that one can become when
    a machine loses its power.
    """
    with path.open("rb") as file:
        content = file.read(len(_FIRST_BYTES))
        if _FIRST_BYTES.startswith(content):
            return True
        content += file.read(_LOOKED_INTO)
    return bool(_LATER_RECORD.search(content)) or not content.strip(b"\0")


def damaged(path: Path, line: int, fault: str) -> UserError:
    """Return the error for a journal with a damaged line, counted from 1."""
    given = shlex.quote(str(path))
    return UserError(
        f"--storage {path}: the journal is damaged: line {line} {fault}; this repairs it, and "
        f"without --fix says how:\n  python -m search.doctor --storage {given} --fix"
    )


class Journal(JournalFileBackend):
    """Appends records whole or not at all.

    Optuna's own backend leaves half a line behind when a write fails, and the next record,
    written after it, makes the whole journal unreadable. It also forces every record to the disk,
    1 to 3 ms each; here details of a running trial go there with the next record that is more.
    A machine that loses its power loses such a trial anyway.

    It also passes over a damaged last line in silence, until another follows.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = to_stderr) -> None:
        """Open a journal; it is made if it is not there.

        Args:
            say: tells the user in one line what an earlier writer left unfinished.
        """
        lock_type = _lock_type()
        self._path = path
        # The lock is a link to what it is given. A relative path would be read from the lock's own
        # folder and lead nowhere: who waits would then spin, and never break a dead writer's lock.
        self._writing = lock_type(str(path.absolute()))
        self._say = say
        self._has_told = b""  # which unfinished line
        self.n_read = 0
        """Lines read so far: the number of the one that is being replayed."""
        self._end, self._tail = 0, b""  # of what was read
        super().__init__(str(path), lock_obj=self._writing)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the records from this one on; a line without an end is not there yet.

        Raises `UserError` for a damaged line, and where the file is not the one read before.
        """
        with self._path.open("rb") as file:
            n_skipped = self._go_to(file, log_number_from)
            for line in iter(lambda: file.readline(LONGEST + 1), b""):
                if not line.endswith(b"\n") and len(line) <= LONGEST:
                    return
                self.n_read += 1
                self._end += len(line)
                self._tail = line[-_TAIL:]
                try:
                    record = read_line(line)
                except ValueError as error:
                    raise damaged(self._path, self.n_read, str(error)) from None
                if n_skipped:
                    n_skipped -= 1
                else:
                    yield record

    def _go_to(self, file: BinaryIO, number: int) -> int:
        """Go to the end of what was read; return how many records from there are not wanted."""
        if number < self.n_read:
            self.n_read, self._end, self._tail = 0, 0, b""
        file.seek(self._end - len(self._tail))
        if file.read(len(self._tail)) != self._tail:
            raise UserError(
                f"--storage {self._path}: what stood in the journal has changed, as a repair or "
                "another file in its place would do; the same command again reads it anew"
            )
        return number - self.n_read

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock under which a journal is written."""
        self._writing.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # others took it: this process was stopped for too long
                self._writing.release()

    def tell_unfinished(self) -> None:
        """Say if a process ended in the middle of a line; one that is being written is none."""
        unfinished = self._unfinished()
        lock = f"{self._path}.lock"
        if unfinished and not os.path.lexists(lock) and self._unfinished() == unfinished:
            self._tell(unfinished, "the next record that is written replaces it")

    def _unfinished(self) -> bytes:
        with self._path.open("rb", buffering=0) as file:
            file.seek(_end_of_lines(file))
            return file.read()

    def _tell(self, unfinished: bytes, what: str) -> None:
        if unfinished != self._has_told:
            self._has_told = unfinished
            self._say(
                f"{self._path}: its last line is unfinished, a process ended while it wrote: "
                f"{len(unfinished)} bytes, began {began(unfinished)}; {what}"
            )

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records; what an earlier writer left unfinished is cut off first."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        is_forced = not all(map(_is_detail, logs))
        with self.writing(), naming(self._path), _open_to_append(self._path) as file:
            end = _end_of_lines(file)
            file.seek(end)
            if unfinished := file.read():
                _cut(file, end, end + len(unfinished))
                self._tell(unfinished, "it was cut off")
            _append(file, text.encode(), end, is_forced=is_forced)


def _lock_type() -> type[JournalFileOpenLock] | type[JournalFileSymlinkLock]:
    """Return the kind of lock that the environment names, or that the system allows."""
    # On Windows ordinary users cannot make symbolic links.
    chosen = os.environ.get(LOCK_VARIABLE) or ("open" if os.name == "nt" else "link")
    if chosen not in _LOCKS:
        raise UserError(f"${LOCK_VARIABLE}: expected {' or '.join(_LOCKS)}, got {chosen}")
    return _LOCKS[chosen]


def _open_to_append(path: Path) -> FileIO:
    """Open a file to be written at its end, wherever that is by then.

    A process that is stopped here for so long that others take the lock from it must not write
    over what they have written. Unbuffered: nothing may be written on closing after a cut.
    """
    return open(
        path, "r+b", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_APPEND)
    )


def _append(file: FileIO, text: bytes, end: int, *, is_forced: bool) -> None:
    n_written = 0
    try:
        while n_written < len(text):
            n_written += file.write(text[n_written:])
        if is_forced:
            os.fsync(file.fileno())
    except BaseException:
        _cut(file, end, end + n_written)
        raise


def _cut(file: FileIO, end: int, size: int) -> None:
    """Cut a file off, unless it has another size than expected: then others have written."""
    if os.fstat(file.fileno()).st_size == size:
        file.truncate(end)


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
