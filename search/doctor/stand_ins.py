"""Stand-ins for lost records that began a study or a trial, without which numbers would shift.

A record about a trial that nothing has begun tells that the beginning of one was lost before it.
In its place a bare beginning is put, in the gap that damage has left, and what follows of the
trial - parameters, reports, its end - applies to it as it did before.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from search.doctor.entry import START, Entry
from search.storages.journal_line import Op
from search.storages.journal_numbers import Kind, Numbers
from search.storages.journal_wording import number

WORKER = "search.doctor"
"""Who wrote a record, in place of a worker of Optuna's."""
_MOST = 100
"""Stand-ins for one journal; where more is missing it is no journal any more."""
_SHORTEST = 100
"""Bytes of a record that begins something; a gap of NUL bytes may have held several."""
_PREFIX = 36
"""Characters of a worker's id that are its process's; the others are the thread's."""
_MAXIMIZE = 2  # optuna.study.StudyDirection
_OPS: Mapping[Kind, Op] = {"study": Op.CREATE_STUDY, "trial": Op.CREATE_TRIAL}


@dataclass(frozen=True)
class Completed:
    """A journal in which every record is about something that was begun."""

    entries: Sequence[Entry]
    """Stand-ins included, which have no content."""
    stand_ins: Sequence[Entry]
    strays: Sequence[Entry]
    """Whole records that were taken out, as nothing explains what they are about."""
    numbers: Numbers
    """Of the whole journal."""


def complete(entries: Sequence[Entry]) -> Completed:
    """Put stand-ins where they are missing, and take out what they cannot explain."""
    kept, made = list(entries), Counter[int]()
    strays: list[Entry] = []
    while True:
        numbers, at = _first_unknown(kept)
        if at is None:
            stand_ins = [entry for entry in kept if entry.record and not entry.content]
            return Completed(kept, stand_ins, strays, numbers)
        record = kept[at].record
        kind = numbers.unknown(record) if record is not None else None
        assert record is not None
        assert kind is not None
        place = _place(kept, at, kind, made) if made.total() < _MOST else None
        if place is None and numbers.n_missing(record) == 1 and made.total() < _MOST:
            place = at  # a line has gone without a trace
        stand_in = None if place is None else _stand_in(kept, place, at, kind)
        if place is None or stand_in is None:
            strays.append(kept.pop(at))
        else:
            made[kept[place].line] += 1
            kept.insert(place, Entry(kept[place].line, b"", stand_in))


def _first_unknown(entries: Sequence[Entry]) -> tuple[Numbers, int | None]:
    numbers = Numbers()
    for at, entry in enumerate(entries):
        if entry.record is not None:
            if numbers.unknown(entry.record):
                return numbers, at
            numbers.add(entry.record)
    return numbers, None


def _place(entries: Sequence[Entry], before: int, kind: Kind, made: Counter[int]) -> int | None:
    """Return the last fragment that may have been the beginning of one more."""
    for at in range(before - 1, -1, -1):
        entry = entries[at]
        if entry.record is None and made[entry.line] < _capacity(entry.content, kind):
            return at
    return None


def _capacity(fragment: bytes, kind: Kind) -> int:
    """Return how many records of a kind a fragment may have been."""
    n_records = fragment.count(START)
    if n_records == 0:
        return max(1, len(fragment) // _SHORTEST)
    return len(re.findall(rb"%s\s*%d\b" % (re.escape(START), _OPS[kind]), fragment))


def _stand_in(
    entries: Sequence[Entry], place: int, unknown: int, kind: Kind
) -> Mapping[str, Any] | None:
    """Return the record to be put at a place; None where its study cannot be told."""
    fragment = entries[place].content if entries[place].record is None else b""
    if kind == "study":
        return {
            "op_code": Op.CREATE_STUDY.value,
            "worker_id": WORKER,
            "study_name": _free_name(entries, _name(fragment)),
            "directions": [_MAXIMIZE],
        }
    study = _study(entries, place, unknown, number(fragment, "study_id"))
    if study is None:
        return None
    return {
        "op_code": Op.CREATE_TRIAL.value,
        "worker_id": WORKER,
        "study_id": study,
        "datetime_start": _time(entries[:place]),
    }


def _study(entries: Sequence[Entry], place: int, unknown: int, told: int | None) -> int | None:
    """Return the study of a lost trial: as the fragment tells, else that of its process."""
    numbers = Numbers()
    for entry in entries[:place]:
        if entry.record is not None:
            numbers.add(entry.record)
    if told is not None and told in numbers.names:
        return told
    record = entries[unknown].record
    worker = str(record["worker_id"])[:_PREFIX] if record else ""
    of_worker = Counter(
        int(entry.record["study_id"])
        for entry in entries
        if entry.record
        and entry.record.get("study_id") in numbers.names
        and str(entry.record["worker_id"])[:_PREFIX] == worker
    )
    return of_worker.most_common(1)[0][0] if of_worker else numbers.newest_live_study


def _free_name(entries: Sequence[Entry], wanted: str | None) -> str:
    """Return a name for a study: of two with the same one Optuna would know only the first."""
    taken = {entry.record.get("study_name") for entry in entries if entry.record}
    if wanted is not None and wanted not in taken:
        return wanted
    return next(name for n in count(1) if (name := f"recovered-{n}") not in taken)


def _name(fragment: bytes) -> str | None:
    found = re.search(rb'"study_name":("(?:[^"\\]|\\.)*")', fragment)
    try:
        name = json.loads(found[1]) if found else None
    except ValueError:
        return None
    return name if isinstance(name, str) else None


def _time(entries: Sequence[Entry]) -> str:
    """Return when something last began or ended."""
    for entry in reversed(entries):
        for field in ("datetime_complete", "datetime_start"):
            if entry.record and isinstance(when := entry.record.get(field), str):
                return when
    return datetime.now(tz=UTC).isoformat(timespec="microseconds")
