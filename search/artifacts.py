"""Files that trials leave, in an artifact store of Optuna's: its dashboard shows them too."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import FrozenTrial, Trial

from search.trials import ARTIFACTS

DEFAULT_ARTIFACTS = Path("studies/artifacts")


class Artifacts:
    """The files of trials in one folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made once there is something to keep."""
        self.folder = folder

    def keep(self, trial: Trial, files: Mapping[str, bytes]) -> None:
        """Keep files of a trial that has not ended, by name.

        All of them or, as far as the trial tells, none: raises `OSError` where one cannot be
        written, before the trial mentions it.
        """
        if not files:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".", dir=self.folder) as written:
            for name, content in files.items():
                Path(written, name).write_bytes(content)
            ids = {
                name: upload_artifact(
                    artifact_store=_MovingStore(self.folder),
                    file_path=str(Path(written, name)),
                    study_or_trial=trial,
                )
                for name in files
            }
        trial.set_user_attr(ARTIFACTS, ids)

    def read(self, trial: FrozenTrial, name: str) -> bytes | None:
        """Return a file that a trial has left; None if it has left none, or it is gone."""
        ids = trial.user_attrs.get(ARTIFACTS)
        if not isinstance(ids, Mapping) or not isinstance(ids.get(name), str):
            return None
        try:
            with FileSystemArtifactStore(self.folder).open_reader(ids[name]) as file:
                return file.read()
        except (ArtifactNotFound, ValueError):  # the latter for an id that leads out of the folder
            return None


class _MovingStore(FileSystemArtifactStore):
    """Takes the file itself where Optuna's own store copies it.

    Optuna names an artifact on the trial before it writes it, so a copy that a full disk cuts
    short would be shown as an artifact.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Move the open file, which is on the same file system, to its place."""
        os.replace(content_body.name, self._folder / artifact_id)
