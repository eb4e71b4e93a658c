"""Checkpoints that nobody will go on from, and those that are damaged."""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.doctor.aside import Aside, is_old
from search.doctor.finding import Finding
from search.files.artifact_place import ArtifactPlace
from search.files.bucket import BucketPath
from search.files.checkpoints import (
    Checkpoints,
    DamagedCheckpointError,
    config_digest,
    files,
    read,
)
from search.trials.reading import CONFIG, place, unfinished


def kept_checkpoints(
    checkpoints: Checkpoints,
    folders: Sequence[ArtifactPlace],
    studies: Sequence[Study],
    elsewhere: Collection[str],
    aside: Aside,
) -> Iterator[Finding]:
    """Yield the checkpoints that are of no use.

    Args:
        folders: those of studies, as they were before the studies were read.
        elsewhere: identities of studies in other storages.
        aside: takes what may be another storage's after all.
    """
    own = {checkpoints.study_folder(study): study for study in studies}
    for folder in folders:
        if folder in own:
            yield from _of_study(folder, own[folder])
        elif folder.name.rpartition("-")[2] not in elsewhere:
            yield Finding(
                f"{folder}: checkpoints of a study that is not in this storage",
                aside.remedy,
                aside.taking(folder),
            )


def study_folders(checkpoints: Checkpoints) -> list[ArtifactPlace]:
    """Return the folders of studies that have checkpoints."""
    if not checkpoints.folder.is_dir():
        return []
    return sorted(path for path in checkpoints.folder.iterdir() if _is_folder(path))


def _of_study(folder: ArtifactPlace, study: Study) -> Iterator[Finding]:
    inner_folders = sorted(path for path in folder.iterdir() if path.name.isdecimal())
    # Only now: who begins after this leaves no folder that was listed.
    trials = study.get_trials(deepcopy=False)
    going = [trial for trial in trials if trial.state == TrialState.RUNNING]
    needed = {place(trial): trial for trial in [*unfinished(trials), *going]}
    for inner in filter(_is_folder, inner_folders):
        trial = needed.get(int(inner.name[:9]))
        if trial is None:
            yield Finding(
                f"{inner}: checkpoints of a trial that has ended", "removed", _remover(inner)
            )
        else:
            yield from _of_trial(inner, trial)


def _of_trial(folder: ArtifactPlace, trial: FrozenTrial) -> Iterator[Finding]:
    named = list(files(folder))
    inner: list[ArtifactPlace] = sorted(folder.iterdir(), key=str)
    for path in inner:
        if path not in named and path.name.startswith(".") and is_old(path):
            yield Finding(
                f"{path}: a checkpoint that was never finished", "removed", _remover(path)
            )
    for path in named:
        try:
            checkpoint = read(path)
        except DamagedCheckpointError as error:
            yield Finding(str(error), "removed; the one before it is taken", _remover(path))
            continue
        except FileNotFoundError:
            continue  # its trial has just written the next one, or ended
        config = trial.user_attrs.get(CONFIG)
        if isinstance(config, Mapping) and checkpoint.config != config_digest(config):
            yield Finding(
                f"{path}: of another configuration than trial {trial.number} has",
                "removed",
                _remover(path),
            )


def _is_folder(path: ArtifactPlace) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remover(path: ArtifactPlace) -> Callable[[], None]:
    def remove() -> None:
        if not _is_folder(path):
            path.unlink(missing_ok=True)
        elif isinstance(path, BucketPath):
            path.remove()
        else:
            shutil.rmtree(path)

    return remove
