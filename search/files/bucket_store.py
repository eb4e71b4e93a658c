"""Artifacts in a part of a bucket: how they are written, and found by Optuna's dashboard."""

import json
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from typing import BinaryIO
from uuid import uuid4

from optuna.artifacts import ArtifactMeta
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.study import Study
from optuna.trial import Trial

from search.files.bucket import BucketPath

_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_MENTION = "artifacts:"
"""What Optuna has in front of an artifact's id, where an owner mentions it."""


def upload(folder: BucketPath, owner: Study | Trial, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write files into a bucket, then name them on their owner.

    Optuna's own `upload_artifact` names them first, so that a store that fails would leave names
    without files.
    """
    ids = {name: str(uuid4()) for name in files}
    for name, content in files.items():
        (folder / ids[name]).write_bytes(content)
    for name, artifact in ids.items():
        kind, encoding = mimetypes.guess_type(name)
        meta = ArtifactMeta(artifact, name, kind or "application/octet-stream", encoding)
        mention, about = f"{_MENTION}{artifact}", json.dumps(asdict(meta))
        if isinstance(owner, Study):
            owner._storage.set_study_system_attr(owner._study_id, mention, about)
        else:
            owner.storage.set_trial_system_attr(owner._trial_id, mention, about)
    return ids


class BucketStore:
    """A part of a bucket as a store of Optuna's, whose own for buckets knows no parts."""

    def __init__(self, folder: BucketPath) -> None:
        self._folder = folder

    def open_reader(self, artifact_id: str, at_most: int | None = None) -> BinaryIO:
        """Return an artifact's content; `ArtifactNotFound` for any other object's id.

        Args:
            at_most: bytes of its beginning that are wanted; None: all.
        """
        try:
            return BytesIO(self._object(artifact_id).read_bytes(at_most))
        except FileNotFoundError as error:
            raise ArtifactNotFound(f"{error.filename}: no such artifact") from None

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write an artifact."""
        self._object(artifact_id).write_bytes(content_body.read())

    def remove(self, artifact_id: str) -> None:
        """Remove an artifact."""
        self._object(artifact_id).unlink()

    def _object(self, artifact_id: str) -> BucketPath:
        if not _ID.fullmatch(artifact_id):
            raise ArtifactNotFound("an artifact's id has letters, digits and hyphens")
        return self._folder / artifact_id
