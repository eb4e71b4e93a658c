"""`python -m search.copy STUDY --from A --to B`: a study as it is, in another storage.

Trials keep their numbers, by which others refer to them. With `--to-artifacts`, files go along,
unless they are there already.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from pathlib import Path

import optuna
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage, get_storage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from commands.counting import counted
from commands.errors import UserError, exit_status
from search.files.artifact_place import METAVAR, ArtifactPlace, artifact_place
from search.files.artifacts import Artifacts, open_artifacts
from search.files.checkpoints import Checkpoints
from search.place_options import add_artifacts
from search.storages.storage import Place, open_storage
from search.studies.loading import load_study
from search.trials.reading import INTERRUPTED

_ARTIFACT = "artifacts:"
"""How the system attributes begin under which Optuna writes a file's id."""
_COPIED = "search.copy"
_EXAMPLES = """examples:
  python -m search.copy capacity --from studies/journal.log --to postgresql://me@db/studies
  python -m search.copy capacity --from grpc://db:13000 --to here/journal.log \\
      --artifacts /shared/artifacts --to-artifacts here/artifacts
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Copy a study and say what became of it; return the exit status."""
    options = _parser().parse_args(argv)
    with _called("--storage", "--from"):
        source = open_storage(options.source, create=False)
    study = load_study(source, options.study)
    kept = files = None
    if options.to_artifacts is not None:
        kept = open_artifacts(options.artifacts)
        with _called("--artifacts", "--to-artifacts"):
            files = open_artifacts(options.to_artifacts, create=True)
    with _called("--storage", "--to"):
        target = open_storage(options.target)
    with source.lock:  # no trial is half begun
        trials = study.get_trials(deepcopy=False)
    # Not under both locks: they are one where the target proves to be the source.
    copied = copy_study(study, trials, target)
    print(f"study {study.study_name}: {counted(len(trials), 'trial')} now in {target.given}")
    _say_unended(trials)
    if kept and files:
        _copy_files(study, trials, kept, files)
    print(f"  python -m search.export {copied.study_name}{target.option}")
    return 0


@contextmanager
def _called(elsewhere: str, here: str) -> Iterator[None]:
    """Give an error the name that an option has here."""
    try:
        yield
    except UserError as error:
        option, _, said = str(error).partition(" ")
        if option != elsewhere:
            raise
        raise type(error)(f"{here} {said}") from error


def copy_study(study: Study, trials: Iterable[FrozenTrial], target: Place) -> Study:
    """Copy a study with these trials of it; `UserError` where there is one of its name.

    Nothing of it stays behind where that fails.
    """
    name, storage = study.study_name, get_storage(target.storage)
    with target.lock:
        if name in optuna.get_all_study_names(storage):
            raise UserError(
                f"--to {target.given}: there is a study {name} already; nothing was copied"
            )
        study_id = storage.create_new_study(study.directions, name)
        try:
            _fill(storage, study_id, study, trials)
        except BaseException:
            storage.delete_study(study_id)
            raise
    return load_study(target, name)


def _fill(
    storage: BaseStorage, study_id: int, study: Study, trials: Iterable[FrozenTrial]
) -> None:
    for trial in trials:
        storage.create_new_trial(study_id, template_trial=_ended(trial))
    for key, value in study._storage.get_study_system_attrs(study._study_id).items():
        storage.set_study_system_attr(study_id, key, value)
    for key, value in study.user_attrs.items():
        storage.set_study_user_attr(study_id, key, value)


def _ended(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial that trains as one that was interrupted, any other as it is.

    Its process goes on in the old storage, and knows nothing of the new one.
    """
    if trial.state != TrialState.RUNNING:
        return trial
    ended = copy(trial)
    ended.user_attrs = trial.user_attrs | {INTERRUPTED: _COPIED}
    ended.state, ended.datetime_complete = TrialState.FAIL, datetime.now()
    return ended


def _say_unended(trials: Iterable[FrozenTrial]) -> None:
    by_state: dict[TrialState, list[str]] = {}
    for trial in trials:
        by_state.setdefault(trial.state, []).append(str(trial.number))
    if running := by_state.get(TrialState.RUNNING):
        print(
            f"  trial {', '.join(running)} still trains in the old storage; here it counts as "
            "interrupted, and the next search goes on with it"
        )
    if waiting := by_state.get(TrialState.WAITING):
        print(f"  trial {', '.join(waiting)} waits there and here: two searches would train both")


def _copy_files(
    study: Study, trials: Iterable[FrozenTrial], source: Artifacts, target: Artifacts
) -> None:
    if _is_same(source.folder, target.folder):
        print(f"  its files stay where they are, in {source.folder}")
        return
    copied = [_copy_file(artifact, source, target) for artifact in _artifacts(study, trials)]
    n_copied, n_missing = copied.count(True), copied.count(False)
    missing = f"; {n_missing} that it names are not in {source.folder}" if n_missing else ""
    print(f"  {counted(n_copied, 'file')} now in {target.folder}{missing}")
    there = Checkpoints(source.folder).study_folder(study)
    here = Checkpoints(target.folder).study_folder(study)
    if isinstance(there, Path) and isinstance(here, Path):
        if there.is_dir() and not _is_same(there, here):
            shutil.copytree(there, here, dirs_exist_ok=True)
    else:
        print("  checkpoints are not copied from or to buckets: interrupted trials begin again")


def _copy_file(artifact: str, source: Artifacts, target: Artifacts) -> bool:
    """Copy a file, unless it is there already; return whether there is one of this id."""
    if Path(artifact).name != artifact:  # leads out of the folder, or deeper into it
        return False
    try:
        with source.store.open_reader(artifact) as file:
            # A store empties what it writes before it reads a byte.
            if not _is_same(source.folder / artifact, target.folder / artifact):
                target.store.write(artifact, file)
    except (ArtifactNotFound, IsADirectoryError, ValueError):  # the last for an id of dots
        return False
    return True


def _is_same(one: ArtifactPlace, other: ArtifactPlace) -> bool:
    """Tell whether two places are one, whatever they are called."""
    if not (isinstance(one, Path) and isinstance(other, Path)):
        return one == other
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _artifacts(study: Study, trials: Iterable[FrozenTrial]) -> Iterator[str]:
    """Yield the ids of all files of a study and its trials, each once."""
    own = study._storage.get_study_system_attrs(study._study_id)
    keys = dict.fromkeys(own)
    for trial in trials:
        keys |= dict.fromkeys(trial.system_attrs)
    yield from (key.removeprefix(_ARTIFACT) for key in keys if key.startswith(_ARTIFACT))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.copy",
        description="Copy a study with all that it holds to another storage; the old one stays.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("study", metavar="STUDY")
    add("--from", dest="source", required=True, metavar="PATH|URL", help="where it is")
    add("--to", dest="target", required=True, metavar="PATH|URL", help="where to")
    add_artifacts(parser, "where its files are")
    add(
        "--to-artifacts",
        type=artifact_place,
        metavar=METAVAR,
        help="where they are copied to; without, none is: the copy uses those that there are",
    )
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
