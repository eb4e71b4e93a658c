"""Results that wait for their storage, in a file: one for each process, a JSON text a line.

The first line says whose they are. A process that has died leaves its file to whoever comes next.
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from search.hosts import owner

REPORT, USER_ATTR, SYSTEM_ATTR = (
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
)
END = "set_trial_state_values"
WRITES = frozenset((REPORT, USER_ATTR, SYSTEM_ATTR, END))
"""By the names of Optuna's methods."""
_WHO = ("host", "machine", "pid", "started")
_PREFIX, _SUFFIX = "unsent-", ".jsonl"
UNSENT = f"{_PREFIX}*{_SUFFIX}"
"""The names of all such files."""


@dataclass(frozen=True)
class Write:
    """One write about a trial, as plain values."""

    method: str
    trial_id: int
    arguments: tuple[Any, ...]

    def do(self, storage: Any) -> None:
        """Do it."""
        arguments = self.arguments
        if self.method == END:
            arguments = (TrialState[arguments[0]], arguments[1])
        getattr(storage, self.method)(self.trial_id, *arguments)


class Spool:
    """The file of this process; it is there as long as something waits."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; the file is made once it is needed."""
        self.owner = owner.this_process()
        name = f"{_PREFIX}{self.owner['host']}-{self.owner['pid']}{_SUFFIX}"
        self.path = folder / name.replace(os.sep, "_")
        self.n_waiting = 0

    def add(self, write: Write) -> None:
        """Keep a write; `OSError` where there is no room for it.

        Not forced to the disk: a machine that loses its power goes on from checkpoints anyway.
        """
        lines: list[Any] = [] if self.n_waiting else [self.owner]
        lines.append([write.method, write.trial_id, *write.arguments])
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        with self.path.open("ab" if self.n_waiting else "wb", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(text) != len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            except OSError:
                file.truncate(before)
                raise
        self.n_waiting += 1

    def writes(self) -> Iterator[Write]:
        """Yield what waits, in order."""
        if self.n_waiting:
            yield from read(self.path)[1]

    def clear(self) -> None:
        """Forget what waited; it has been delivered."""
        if self.n_waiting:
            self.n_waiting = 0
            self.path.unlink(missing_ok=True)


def left_in(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any], list[Write]]]:
    """Yield the files of processes of this host that have died: path, process, writes."""
    for path in sorted(folder.glob(UNSENT)):
        try:
            process, writes = read(path)
        except (OSError, ValueError):
            continue  # another process has just delivered it, or nobody here has written it
        if owner.is_dead(process):
            yield path, process, writes


def read(path: Path) -> tuple[Mapping[str, Any], list[Write]]:
    """Return whose a file is, and its whole lines; `ValueError` where it is no such file."""
    # A last line without an end is of a process that died while it wrote.
    process, *rows = map(json.loads, path.read_text("utf-8").split("\n")[:-1])
    if not isinstance(process, dict):
        raise ValueError(f"{path}: does not say whose it is")
    writes = [Write(str(row[0]), int(row[1]), tuple(row[2:])) for row in rows]
    if not {write.method for write in writes} <= WRITES:
        raise ValueError(f"{path}: holds writes that no search has left")
    return process, writes


def is_same(one: Any, other: Mapping[str, Any]) -> bool:
    """Tell whether two identities are of one process."""
    return isinstance(one, Mapping) and all(one.get(name) == other.get(name) for name in _WHO)
