"""`python -m search.doctor`: examine a storage and its files, and repair them with --fix."""

import argparse
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.pruners import NopPruner
from optuna.study import Study

from commands.counting import counted
from commands.errors import UserError, exit_status
from search.doctor.aside import Aside
from search.doctor.dead_trials import alive, dead_trials
from search.doctor.digests import digests
from search.doctor.elsewhere import mentioned_elsewhere
from search.doctor.finding import Finding, Note
from search.doctor.journal_file import Examination, examine, examine_at_rest, repair
from search.doctor.kept_artifacts import kept_artifacts
from search.doctor.kept_checkpoints import kept_checkpoints, study_folders
from search.doctor.locks import locks
from search.files.artifact_place import ArtifactPlace
from search.files.artifacts import open_artifacts
from search.files.bucket import BucketPath
from search.files.checkpoints import Checkpoints
from search.hosts.heartbeat import SILENCE_S
from search.place_options import add_artifacts, add_storage
from search.storages.journal import is_journal
from search.storages.storage import Place, open_storage
from search.studies.sound import check_sound

_CLAIM_S = 30.0
"""How long others may take over a claim; a minute would be a process that hangs."""
_EXAMPLES = """\
examples:
  python -m search.doctor                    what is wrong, and what would be done about it
  python -m search.doctor --fix              do it; a damaged journal is copied beside itself first
  python -m search.doctor --storage postgresql://host/studies --artifacts paintings/artifacts

exit status: 0 healthy or repaired, 1 faults that are left, 2 a mistake on the command line
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Examine a storage, and with --fix repair it; return the exit status."""
    options = _parser().parse_args(argv)
    return examine_storage(options.storage, options.artifacts, fix=options.fix).end(options)


def examine_storage(storage: str, artifacts: ArtifactPlace, *, fix: bool = False) -> "Visit":
    """Examine a storage and its files, printing what is found; return the count of it.

    Args:
        fix: mend what can be mended; otherwise nothing is changed.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    open_artifacts(artifacts)
    visit = Visit(fix)
    place: Place | None
    own: Path | None
    if "://" in storage:
        place, own = open_storage(storage, create=False), None
    else:
        own = _journal(storage)
        place = visit.journal(own, storage)
    if place is not None:
        visit.studies(place, own, artifacts)
    return visit


@dataclass
class Visit:
    """Tells what is found as it is found, and counts it."""

    fix: bool
    n_faults: int = 0
    n_mended: int = 0

    def journal(self, path: Path, given: str) -> Place | None:
        """Examine a journal file; return its studies, None where they are to be left alone."""
        claims = FileLock(f"{path}.claims.lock")
        self.see(locks(path, claims))
        examination = examine_at_rest(path)
        place = Place(examination.storage, given, path.parent, claims)
        studies = _studies(place)
        n_trials = sum(len(study.get_trials(deepcopy=False)) for study in studies)
        print(
            f"{path}: {counted(examination.n_lines, 'line')}, "
            f"{counted(len(studies), 'study', 'studies')}, {counted(n_trials, 'trial')}"
        )
        self.see(examination.findings)
        if not examination.is_sound:
            if not self.fix:
                return place  # as it would be
            if not self._repair(path, claims, examination):
                return None
        # Not the studies as examined: others may be going on, and leave files for new trials.
        return open_storage(given, create=False)

    def studies(self, place: Place, own: Path | None, artifacts: ArtifactPlace) -> None:
        """Examine the studies of a storage and the files that belong to them.

        Args:
            own: the journal; None for a database.
        """
        # Files first: what is written meanwhile is then at worst not looked at.
        checkpoints = Checkpoints(artifacts)
        folders = study_folders(checkpoints)
        is_there = isinstance(artifacts, BucketPath) or artifacts.is_dir()
        there = {path.name for path in artifacts.iterdir()} if is_there else set()
        studies = _studies(place)
        sound = [study for study in studies if self._is_sound(study)]
        for study in sound:
            self.see(dead_trials(place, study))
        elsewhere = mentioned_elsewhere(place.folder, own)
        aside = Aside(artifacts)
        strange = {checkpoints.study_folder(study) for study in studies if study not in sound}
        folders = [folder for folder in folders if folder not in strange]
        self.see(kept_checkpoints(checkpoints, folders, sound, elsewhere, aside))
        if is_there:
            self.see(kept_artifacts(artifacts, there, place.storage, studies, elsewhere, aside))
        else:
            self.see([Note(f"--artifacts {artifacts}: no such folder; no files were examined")])
        for study in sound:
            self.see(digests(study))

    def see(self, found: Iterable[Finding | Note]) -> None:
        """Tell what is found, and mend it if that was asked for."""
        for one in found:
            if isinstance(one, Note):
                _tell(f"note: {one.said}")
                continue
            self.n_faults += 1
            _tell(one.fault)
            if self.fix and one.mend is not None:
                one.mend()
                self.n_mended += 1
                _tell(f"  {one.remedy}")
            elif one.remedy:
                _tell(f"  {'to be' if self.fix else 'would be'} {one.remedy}")
            else:
                print("  nothing can be done about it here")

    def end(self, options: argparse.Namespace) -> int:
        """Sum up; return the exit status."""
        left = self.n_faults - self.n_mended
        faults = "1 fault" if self.n_faults == 1 else f"{self.n_faults} faults"
        if not self.n_faults:
            print("healthy")
        elif not self.fix:
            storage, artifacts = shlex.quote(options.storage), shlex.quote(str(options.artifacts))
            print(f"{faults}; nothing was changed; what can be mended is mended by")
            print(f"  python -m search.doctor --storage {storage} --artifacts {artifacts} --fix")
        else:
            print(f"{faults}, {self.n_mended} mended" + (f", {left} left" if left else ""))
        return 1 if left else 0

    def _is_sound(self, study: Study) -> bool:
        """Tell whether a study is what search.run writes, on which all else relies."""
        try:
            check_sound(study)
        except UserError as error:
            self.see([Finding(" ".join(str(error).split("\n  ")))])
            return False
        return True

    def _repair(self, path: Path, claims: FileLock, examination: Examination) -> bool:
        """Repair a journal unless somebody works on it; tell whether that was done."""
        try:
            with claims.acquire(timeout=_CLAIM_S):
                # The journal as it is now: nobody begins a trial any more.
                now = examine(path)
                if working := _working(path, now):
                    print("the journal is not repaired while processes work on it; stop these:")
                    for one in working:
                        _tell(f"  {one}")
                    return False
                found, backup = repair(path)
        except Timeout:
            print("the journal is not repaired: a process has been claiming a trial all the time")
            return False
        self.n_mended += len(examination.findings)
        if backup is not None:
            print(f"repaired, with {len(found.records)} records; as it was: {backup}")
        return True


def _tell(line: str) -> None:
    """Print a line; names in a storage from a stranger do not move the cursor."""
    print("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line))


def _working(path: Path, examination: Examination) -> list[str]:
    """Return the processes that may be running trials of a journal."""
    is_silent = time.time() - path.stat().st_mtime > SILENCE_S
    place = Place(examination.storage, str(path), path.parent, FileLock(f"{path}.claims.lock"))
    return [one for study in _studies(place) for one in alive(study, is_silent=is_silent)]


def _studies(place: Place) -> list[Study]:
    """Load all studies, sound or not."""
    names = optuna.get_all_study_names(place.storage)
    storage, pruner = place.storage, NopPruner()
    return [optuna.load_study(storage=storage, study_name=name, pruner=pruner) for name in names]


def _journal(given: str) -> Path:
    path = Path(given)
    if path.is_dir():
        raise UserError(f"--storage {given}: is a folder; give a file, such as {path}/journal.log")
    if not path.exists():
        raise UserError(f"--storage {given}: no such file")
    if not is_journal(path):
        raise UserError(f"--storage {given}: is no journal of Optuna's; give another file")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.doctor",
        description="Find what crashes, full disks and network file systems left behind in a "
        "storage: damaged lines of a journal, locks, running trials without a process, files that "
        "belong to nothing, digests that do not fit. Nothing is changed without --fix.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_storage(parser)
    add_artifacts(parser)
    add("--fix", action="store_true", help="repair what can be repaired")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
