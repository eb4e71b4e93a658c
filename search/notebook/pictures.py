"""The pictures of an entry: the best trial's own, which each copy shows from where it finds them.

The note has them from the dashboard's server, `notebook.md` from files beside it. Those have the
artifact in their names and are never removed: an entry of before, or a person's words, may show
them.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from optuna.study import Study
from optuna.trial import FrozenTrial

from search.files.artifacts import Artifacts, artifact_id
from search.notebook.copies import entry_path, write_file
from search.notebook.own_words import HEADING
from search.storages.storage import Place

FILES = {"learning_curves.png": "Learning curves", "confusion_matrix.png": "Confusion matrix"}
"""What is shown of all that trials leave, by the artifact's name."""
_FOLDER = "pictures"
_ID = re.compile(r"[0-9a-fA-F-]+")
"""The ids that the dashboard's server knows."""
_IN_NOTE = re.compile(rf"^!\[.*\]\(/artifacts/\d+/\d+/{_ID.pattern}\)$\n*", re.M)


@dataclass(frozen=True)
class Picture:
    """A picture, and where each copy of the entry finds it."""

    caption: str
    in_note: str
    """Its address on the dashboard's server."""
    in_file: str
    """Its path from the study's folder."""


def keep_pictures(
    place: Place, study: Study, trial: FrozenTrial | None, artifacts: Artifacts | None
) -> list[Picture]:
    """Copy a trial's pictures to the entry, and return those that there are."""
    if trial is None or artifacts is None:
        return []
    folder, found = entry_path(place, study.study_name).parent, []
    for name, caption in FILES.items():
        artifact, content = artifact_id(trial, name), artifacts.read(trial, name)
        if content is None or artifact is None or not _ID.fullmatch(artifact):
            continue
        file = PurePosixPath(name)
        path = f"{_FOLDER}/trial-{trial.number}-{file.stem}-{artifact[:8]}{file.suffix}"
        write_file(folder / path, content)
        address = f"/artifacts/{study._study_id}/{trial._trial_id}/{artifact}"
        found.append(Picture(f"{caption} of trial {trial.number}", address, path))
    return found


def without_pictures(entry: str) -> str:
    """Return a note without the program's pictures, which the dashboard's server alone has."""
    head, heading, own = entry.partition(f"\n{HEADING}\n")
    return f"{_IN_NOTE.sub('', head)}{heading}{own}"
