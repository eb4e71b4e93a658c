"""Artifacts that nothing mentions, and mentioned ones that are gone."""

import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.doctor.aside import Aside, is_old
from search.doctor.finding import Finding, Note
from search.files.artifact_place import ArtifactPlace
from search.files.bucket import BucketPath
from search.trials.reading import ARTIFACTS

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""How Optuna and its dashboard name artifacts; files of other names are somebody's own."""
_PREFIX = "artifacts:"
_UNFINISHED = re.compile(r"\.[a-z0-9_]{8}")
"""How `tempfile` names the folders in which `search.files.artifacts` writes."""
_MOST_NAMED = 10


def kept_artifacts(
    folder: ArtifactPlace,
    there: Collection[str],
    storage: BaseStorage,
    studies: Sequence[Study],
    elsewhere: Collection[str],
    aside: Aside,
) -> Iterator[Finding | Note]:
    """Yield the files of a folder that belong to nothing, and the studies' that are not there.

    Args:
        there: names in the folder, as they were before the studies were read.
        elsewhere: ids that other storages mention.
        aside: takes what may be another storage's after all.
    """
    mentioned: set[str] = set()
    for study in studies:
        trials = study.get_trials(deepcopy=False)
        ids_of = {f"trial {trial.number}": _of_trial(trial) for trial in trials}
        ids_of["itself"] = _named(
            storage.get_study_system_attrs(study._study_id), study.user_attrs
        )
        mentioned |= set().union(*ids_of.values())
        writing = {f"trial {trial.number}" for trial in trials if not trial.state.is_finished()}
        gone = [
            owner
            for owner, ids in ids_of.items()
            if owner not in writing and not all(_is_there(folder, there, name) for name in ids)
        ]
        if gone:
            named = ", ".join(gone[:_MOST_NAMED]) + (", ..." if len(gone) > _MOST_NAMED else "")
            yield Note(
                f"study {study.study_name}: files of {named} are not in {folder}; what shows them "
                "goes by what the storage has"
            )
    known = mentioned.union(elsewhere)
    for name in sorted(there):
        path = folder / name
        if _ID.fullmatch(name) and name not in known and _is_file(path):
            yield Finding(
                f"{path}: an artifact that no study or trial mentions",
                aside.remedy,
                aside.taking(path),
            )
        elif isinstance(path, Path) and _is_unfinished(path):
            yield Finding(f"{path}: files that were never kept", "removed", _remover(path))


def _of_trial(trial: FrozenTrial) -> set[str]:
    return _named(trial.system_attrs, trial.user_attrs)


def _named(system: Mapping[str, object], own: Mapping[str, object]) -> set[str]:
    ids = {name.rpartition(":")[2] for name in system if _PREFIX in name}
    files = own.get(ARTIFACTS)
    if isinstance(files, Mapping):
        ids |= {value for value in files.values() if isinstance(value, str)}
    return ids


def _is_there(folder: ArtifactPlace, there: Collection[str], name: str) -> bool:
    return _ID.fullmatch(name) is not None and (name in there or (folder / name).exists())


def _is_file(path: ArtifactPlace) -> bool:
    """Tell whether this is a file that stays; an object of a bucket is there before its name."""
    if isinstance(path, BucketPath):
        return is_old(path)
    return path.is_file() and not path.is_symlink()


def _is_unfinished(path: Path) -> bool:
    return _UNFINISHED.fullmatch(path.name) is not None and path.is_dir() and is_old(path)


def _remover(path: Path) -> Callable[[], None]:
    return lambda: shutil.rmtree(path, ignore_errors=True)
