"""Where files go that nothing mentions: aside, as another storage may mention them after all."""

import shutil
import time
from collections.abc import Callable
from datetime import datetime

from search.files.artifact_place import ArtifactPlace
from search.files.bucket import BucketPath

PREFIX = "orphans-"
"""Of the folders among the artifacts."""
_OLD_S = 3600.0
"""What is being written is younger than this."""


class Aside:
    """A folder for one run of the doctor, made once something is put there."""

    def __init__(self, artifacts: ArtifactPlace) -> None:
        self._artifacts = artifacts
        self.folder = artifacts / f"{PREFIX}{datetime.now():%Y%m%d-%H%M%S}"

    @property
    def remedy(self) -> str:
        """What is done with a file."""
        return f"moved to {self.folder}, to be deleted once nothing is missed"

    def taking(self, path: ArtifactPlace) -> Callable[[], None]:
        """Return what moves a file or folder of the artifacts there."""

        def take() -> None:
            target = self.folder / str(path).removeprefix(f"{self._artifacts}/")
            if isinstance(target, BucketPath):
                assert isinstance(path, BucketPath), "all is in one place"
                path.move(target)
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(str(path), target)

        return take


def is_old(path: ArtifactPlace) -> bool:
    """Tell whether nobody can still be writing a file."""
    try:
        if isinstance(path, BucketPath):
            return path.age_s() > _OLD_S
        return time.time() - path.lstat().st_mtime > _OLD_S
    except OSError:
        return False
