"""Files of studies and trials, in an artifact store of Optuna's: its dashboard shows them too."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from search.trials import ARTIFACTS

_MOST_BYTES = 256 * 2**20
"""The predictions of a million images for 29 classes have 64 MiB."""
DEFAULT_ARTIFACTS = Path("studies/artifacts")


class Artifacts:
    """The files of studies and trials in one folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made once there is something to keep."""
        self.folder = folder

    def keep(self, owner: Study | Trial, files: Mapping[str, bytes]) -> None:
        """Keep files of a study, or of a trial that has not ended, by name.

        All of them or, as far as the owner tells, none: raises `OSError` where one cannot be
        written, before the owner mentions it.
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
                    study_or_trial=owner,
                )
                for name in files
            }
        owner.set_user_attr(ARTIFACTS, ids)

    def read(self, owner: Study | FrozenTrial, name: str) -> bytes | None:
        """Return a file of a study or trial; None if there is none, or it is too large."""
        artifact = artifact_id(owner, name)
        if artifact is None:
            return None
        try:
            with FileSystemArtifactStore(self.folder).open_reader(artifact) as file:
                is_sound = os.fstat(file.fileno()).st_size <= _MOST_BYTES
                return file.read() if is_sound else None
        except (ArtifactNotFound, ValueError):  # the latter for an id that leads out of the folder
            return None


def artifact_id(owner: Study | FrozenTrial, name: str) -> str | None:
    """Return under which id a file is kept; None if there is none of this name."""
    ids = owner.user_attrs.get(ARTIFACTS)
    found = ids.get(name) if isinstance(ids, Mapping) else None
    return found if isinstance(found, str) else None


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
