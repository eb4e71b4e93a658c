"""Files of studies and trials, in an artifact store of Optuna's: its dashboard shows them too."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from search.files.artifact_place import ArtifactPlace
from search.files.bucket import BucketPath
from search.files.bucket_store import BucketStore, upload
from search.trials.reading import ARTIFACTS

_MOST_BYTES = 256 * 2**20
"""The predictions of a million images for 29 classes have 64 MiB."""
DEFAULT_ARTIFACTS = Path("studies/artifacts")


class Artifacts:
    """The files of studies and trials in one folder, or in a part of a bucket."""

    def __init__(
        self, folder: ArtifactPlace, unreadable: Callable[[str], None] | None = None
    ) -> None:
        """Name the folder; it is made once there is something to keep.

        Args:
            unreadable: is told once where reading fails, and files then count as missing; None:
                that is raised.
        """
        self.folder = folder
        self._unreadable = unreadable
        self._has_told = False

    @property
    def store(self) -> FileSystemArtifactStore | BucketStore:
        """The files as a store of Optuna's, in which they are found by their ids."""
        if isinstance(self.folder, BucketPath):
            return BucketStore(self.folder)
        return FileSystemArtifactStore(self.folder)

    def keep(self, owner: Study | Trial, files: Mapping[str, bytes]) -> None:
        """Keep files of a study, or of a trial that has not ended, by name.

        All of them or, as far as the owner tells, none: raises `OSError` where one cannot be
        written, before the owner mentions it.
        """
        if not files:
            return
        if isinstance(self.folder, BucketPath):
            ids = upload(self.folder, owner, files)
        else:
            ids = _move_in(self.folder, owner, files)
        owner.set_user_attr(ARTIFACTS, ids)

    def read(self, owner: Study | FrozenTrial, name: str) -> bytes | None:
        """Return a file of a study or trial; None if there is none, or it is too large."""
        artifact = artifact_id(owner, name)
        if artifact is None:
            return None
        try:
            with self._opened(artifact) as file:
                content = file.read(_MOST_BYTES + 1)
                return content if len(content) <= _MOST_BYTES else None
        except (ArtifactNotFound, ValueError):  # the latter for an id that leads out of the folder
            return None
        except OSError as error:
            if self._unreadable is None:
                raise
            self._tell_once(
                f"--artifacts {self.folder}: {error.strerror or error}", self._unreadable
            )
            return None

    def _opened(self, artifact: str) -> BinaryIO:
        """Open a file; of a large one in a bucket only as much is fetched as tells that it is."""
        if isinstance(self.folder, BucketPath):
            return BucketStore(self.folder).open_reader(artifact, at_most=_MOST_BYTES + 1)
        return FileSystemArtifactStore(self.folder).open_reader(artifact)

    def _tell_once(self, fault: str, tell: Callable[[str], None]) -> None:
        if not self._has_told:
            self._has_told = True
            tell(f"{fault}: files of trials cannot be read and count as missing")


def open_artifacts(
    place: ArtifactPlace,
    unreadable: Callable[[str], None] | None = None,
    *,
    create: bool = False,
) -> Artifacts:
    """Return the files in a place; `UserError` for a bucket that is not there, or not for us.

    Args:
        unreadable: see `Artifacts`.
        create: whether to make a folder that does not exist; nobody makes buckets here.
    """
    if isinstance(place, BucketPath):
        place.check()
    elif create:
        place.mkdir(parents=True, exist_ok=True)
    return Artifacts(place, unreadable)


def artifact_id(owner: Study | FrozenTrial, name: str) -> str | None:
    """Return under which id a file is kept; None if there is none of this name."""
    ids = owner.user_attrs.get(ARTIFACTS)
    found = ids.get(name) if isinstance(ids, Mapping) else None
    return found if isinstance(found, str) else None


def _move_in(folder: Path, owner: Study | Trial, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write files beside the others in a folder, then name each on its owner as it moves in."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder) as written:
        for name, content in files.items():
            Path(written, name).write_bytes(content)
        return {
            name: upload_artifact(
                artifact_store=_MovingStore(folder),
                file_path=str(Path(written, name)),
                study_or_trial=owner,
            )
            for name in files
        }


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
