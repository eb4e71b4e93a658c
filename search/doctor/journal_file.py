"""Examining a journal file line by line, and writing it anew without what is damaged."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage

from search.doctor.entry import Entry, Line, read_lines
from search.doctor.finding import Finding
from search.doctor.replay import replay
from search.doctor.stand_ins import Completed, complete
from search.storages.journal import Journal
from search.storages.journal_wording import about, began

_WRITING_S = 0.5
"""A record is written in a hundredth of it."""
_MOST_LOOKS = 10


@dataclass(frozen=True)
class Examination:
    """A journal as it is, and as it would be without damage."""

    path: Path
    n_lines: int
    findings: Sequence[Finding]
    records: Sequence[bytes]
    """The lines of the sound journal, without their ends."""
    storage: JournalStorage
    """Its studies, to be read."""
    is_unfinished: bool
    """Whether its last line has no end."""

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to repair."""
        return not self.findings


def examine(path: Path) -> Examination:
    """Read a journal and say what is damaged; nothing is changed."""
    lines = list(read_lines(path))
    entries = [entry for line in lines for entry in line.entries]
    entries, rejected = _without_rejected(entries)
    completed = complete(entries)
    sound, rejected_late = _without_rejected(completed.entries)
    rejected |= rejected_late
    kept = [entry for entry in sound if entry.record is not None]
    storage, _ = replay([entry.record for entry in kept if entry.record is not None])
    return Examination(
        path,
        len(lines),
        list(_findings(lines, rejected, completed)),
        [entry.content or _line_of(entry.record) for entry in kept],
        storage,
        is_unfinished=bool(lines) and lines[-1].is_unfinished,
    )


def examine_at_rest(path: Path, sleep: Callable[[float], None] = time.sleep) -> Examination:
    """Examine a journal to which others may be writing: a line that they are at is no fault."""
    found = examine(path)
    for _ in range(_MOST_LOOKS):
        if not found.is_unfinished:
            break
        before = found.n_lines
        sleep(_WRITING_S)
        found = examine(path)
        if found.is_unfinished and found.n_lines == before:
            break
    return found


def repair(path: Path) -> tuple[Examination, Path | None]:
    """Write a damaged journal anew, under its lock; return what was found then, and the backup."""
    path = path.resolve()  # a link to the journal stays one
    with Journal(path).writing():
        found = examine(path)
        if found.is_sound:
            return found, None
        backup = _backup(path)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with unfinished.open("wb") as file:
                file.writelines(record + b"\n" for record in found.records)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return found, backup


def _without_rejected(entries: Sequence[Entry]) -> tuple[list[Entry], dict[Entry, str]]:
    """Turn records that Optuna's replay rejects into fragments, and say why it does."""
    whole = [at for at, entry in enumerate(entries) if entry.record is not None]
    _, reasons = replay([entry.record for entry in entries if entry.record is not None])
    left, rejected = list(entries), {}
    for index, reason in reasons.items():
        at = whole[index]
        left[at] = Entry(entries[at].line, entries[at].content, None)
        rejected[left[at]] = reason
    return left, rejected


def _findings(
    lines: Sequence[Line], rejected: Mapping[Entry, str], completed: Completed
) -> Iterator[Finding]:
    numbers = completed.numbers
    for line in lines:
        if line.fault is not None:
            yield _finding_of(line, completed)
    for entry, reason in rejected.items():
        told = about(entry.content, numbers)
        yield Finding(
            f"line {entry.line}: Optuna's replay rejects it ({reason}): {_size(entry.content)}"
            f"{f' ({told})' if told else ''}",
            "taken out",
        )
    for entry in completed.strays:
        yield Finding(
            f"line {entry.line}: is about what no line begins: {_size(entry.content)}", "taken out"
        )
    for entry in completed.stand_ins:
        record = entry.record or {}
        what = f"study {record['study_name']}" if "study_name" in record else "a trial"
        yield Finding(
            f"line {entry.line}: here {what} was begun, which later lines are about",
            "begun anew there, so that all others keep their numbers",
        )


def _finding_of(line: Line, completed: Completed) -> Finding:
    lost = [entry for entry in line.entries if entry.record is None]
    n_kept = len(line.entries) - len(lost)
    records = "the whole record in it" if n_kept == 1 else f"{n_kept} whole records in it"
    kept = [f"written anew, with {records}"] if n_kept else ["taken out"]
    if not lost:
        return Finding(f"line {line.number}: {line.fault}", "; ".join([*kept, "nothing is lost"]))
    parts = []
    for entry in lost:
        told = about(entry.content, completed.numbers)
        parts.append(f"{_size(entry.content)}{f' ({told})' if told else ''}")
    return Finding(
        f"line {line.number}: {line.fault}: {'; '.join(parts)}",
        "; ".join([*kept, "these bytes are lost"] if n_kept else kept),
    )


def _size(content: bytes) -> str:
    if not content.strip(b"\0"):
        return f"{len(content)} NUL bytes"
    return f"{len(content)} bytes, began {began(content)}"


def _line_of(record: Mapping[str, Any] | None) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def _backup(path: Path) -> Path:
    """Copy a journal beside itself, under a name that nothing has yet."""
    name = f"{path.name}.backup-{datetime.now():%Y%m%d-%H%M%S}"
    backup, n = path.with_name(name), 1
    while backup.exists():
        n += 1
        backup = path.with_name(f"{name}-{n}")
    try:
        shutil.copy2(path, backup)
        with backup.open("rb") as file:
            os.fsync(file.fileno())
    except BaseException:
        backup.unlink(missing_ok=True)
        raise
    return backup
