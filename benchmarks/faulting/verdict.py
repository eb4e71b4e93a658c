"""What must have lasted through a round: each check yields the losses that it finds."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna_dashboard
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial

from benchmarks.faulting.looks import Facts, by_place, facts, open_journal
from benchmarks.faulting.loss import Loss
from benchmarks.faulting.setting import STUDY, Files
from commands.errors import UserError
from search.files.checkpoints import FOLDER as CHECKPOINTS
from search.trials.reading import CONTINUES, is_counted, place


def of_finished(seen: Mapping[int, Facts], trials: Iterable[FrozenTrial]) -> Iterator[Loss]:
    """Check that trials which were seen finished are there, as they were."""
    now = {trial.number: facts(trial) for trial in trials}
    for number, before in seen.items():
        if number not in now:
            yield Loss("lost", f"trial {number} is gone")
        elif now[number] != before:
            names = sorted(name for name in before if before[name] != now[number][name])
            yield Loss("changed", f"trial {number}: {', '.join(names)}")


def of_total(trials: Sequence[FrozenTrial], total: int) -> Iterator[Loss]:
    """Check that the study has its trials: so many, each place once, all ended."""
    counted = [trial for trial in trials if is_counted(trial)]
    if len(counted) != total:
        yield Loss("total", f"{len(counted)} trials count, not {total}")
    for trial in counted:
        if not trial.state.is_finished():
            yield Loss("total", f"trial {trial.number} is {trial.state.name}")
    places = Counter(map(place, counted))
    for number, n in sorted(places.items()):
        if n > 1:
            yield Loss("twice", f"{n} trials count as the study's trial {number}")
    if missing := set(range(total)) - places.keys():
        yield Loss("total", f"nobody is the study's trial {sorted(missing)}")
    continued = Counter(trial.user_attrs.get(CONTINUES) for trial in counted)
    for before, n in continued.items():
        if before is not None and n > 1:
            yield Loss("twice", f"{n} trials that count go on for trial {before}")


def of_values(trials: Iterable[FrozenTrial], undisturbed: Mapping[str, Facts]) -> Iterator[Loss]:
    """Check that trials drew and trained what those of an undisturbed study did."""
    for number, own in by_place(trials).items():
        expected = undisturbed.get(number)
        if expected is not None and own != expected:
            names = [name for name in own if own[name] != expected[name]]
            told = "; ".join(f"{name} {own[name]}, not {expected[name]}" for name in names)
            yield Loss("values", f"the study's trial {number}: {told}")


def of_dashboard(journal: Path, trials: Sequence[FrozenTrial]) -> Iterator[Loss]:
    """Check that the dashboard shows the study and all its trials."""
    try:
        dashboard = optuna_dashboard.wsgi(open_journal(journal))
        studies = _asked(dashboard, "/api/studies")["study_summaries"]
        (own,) = (study for study in studies if study["study_name"] == STUDY)
        shown = _asked(dashboard, f"/api/studies/{own['study_id']}", "after=0")["trials"]
    except (UserError, OSError, ValueError, LookupError) as error:
        yield Loss("unreadable", f"the dashboard: {type(error).__name__}: {error}")
        return
    if len(shown) != len(trials):
        yield Loss("unreadable", f"the dashboard shows {len(shown)} of {len(trials)} trials")


def _asked(dashboard: Any, path: str, query: str = "") -> Any:
    """Ask a WSGI application (PEP 3333) and return the JSON of its answer."""
    environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": ""}
    setup_testing_defaults(environ)
    environ["wsgi.errors"] = io.StringIO()
    statuses: list[str] = []
    body = b"".join(dashboard(environ, lambda status, headers, *more: statuses.append(status)))
    if not statuses[0].startswith("200"):
        raise ValueError(f"{path}: {statuses[0]}")
    return json.loads(body)


def of_leftovers(files: Files) -> Iterator[Loss]:
    """Check that no checkpoint and no lock is left."""
    for path in sorted(files.studies.rglob("*")):
        name = path.relative_to(files.studies).as_posix()
        if path.is_file() and path.is_relative_to(files.artifacts / CHECKPOINTS):
            yield Loss("leftover", f"a checkpoint: {name}")
        elif path.is_symlink() or (path.suffix == ".lock" and ".claims" not in path.name):
            yield Loss("leftover", f"a lock: {name}")
    try:
        with FileLock(f"{files.journal}.claims.lock", timeout=0):
            pass
    except Timeout:
        yield Loss("leftover", "somebody holds the claims lock")


def of_aside(files: Files) -> Iterator[Loss]:
    """Check that no file is left that was being written."""
    for path in sorted(files.studies.rglob("*")):
        if path.name.startswith(".") or path.suffix in (".tmp", ".part"):
            name = path.relative_to(files.studies).as_posix()
            yield Loss("leftover", f"what was written aside: {name}")


def of_doctor(status: int, output: str) -> Iterator[Loss]:
    """Check that `search.doctor` has found nothing."""
    if status != 0:
        yield Loss("leftover", f"search.doctor: {' / '.join(output.strip().splitlines())[:600]}")
