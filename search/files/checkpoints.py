"""Checkpoints of trials that have not ended: from there they go on, whatever stopped them.

One folder for each trial's place in a study, one file for each checkpoint: a line of JSON, then
the trainer's own bytes. Files are written aside, forced to the disk and renamed, objects of a
bucket are whole by their nature; the last two are kept, so that there is always a whole one.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, overload

from optuna.study import Study

from search.files.artifact_place import ArtifactPlace
from search.files.bucket import BucketPath
from search.trainer import Record
from search.trials.records import PlainRecord, plain

FOLDER = "checkpoints"
"""Beside the artifacts."""
IDENTITY = "identity"
"""The study attribute that tells it from another of its name in another storage."""
_KEPT = 2
_N_ATTEMPTS = 3
_NAME = re.compile(r"(\d{1,9})-(\d{1,9})\.ckpt")  # epoch, trial
_LONGEST_HEADER = 64 * 2**20
_BAD = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What a header that nobody here has written makes of its reader."""


class DamagedCheckpointError(ValueError):
    """A file that is no whole checkpoint; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """All that a trial needs to go on after an epoch."""

    trial: int
    """Who wrote it: the trial's number."""
    epoch: int
    """Epochs completed."""
    config: str
    """The configuration's digest."""
    records: tuple[PlainRecord, ...]
    """Of all epochs so far."""
    state: bytes
    """What the trainer needs: see `search.trainer.Cohort.save`."""


class Checkpoints:
    """The checkpoints of all studies whose artifacts are in one folder or bucket."""

    def __init__(self, artifacts: ArtifactPlace) -> None:
        self.folder = artifacts / FOLDER

    def folder_of(self, study: Study, place: int) -> ArtifactPlace:
        """Return where the checkpoints of a study's trial are."""
        return self.study_folder(study) / str(place)

    def study_folder(self, study: Study) -> ArtifactPlace:
        """Return where the checkpoints of a study are."""
        # Both name a folder, and a storage may come from a stranger.
        name, identity = study.study_name, study.user_attrs.get(IDENTITY)
        if name in (".", "..") or any(letter in name for letter in "/\\\0"):
            name = "elsewhere"
        is_sound = isinstance(identity, str) and re.fullmatch("[0-9a-f]{1,32}", identity)
        return self.folder / (f"{name}-{identity}" if is_sound else name)

    def keep(self, study: Study, place: int, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove all but the last two; `OSError` where it cannot be."""
        folder = self.folder_of(study, place)
        name, content = f"{checkpoint.epoch}-{checkpoint.trial}.ckpt", _content(checkpoint)
        if isinstance(folder, BucketPath):
            (folder / name).write_bytes(content)
        else:
            _write(folder, name, content)
        # Those of later epochs could not be gone on from, or their trial would be there.
        paths = list(files(folder))
        at = [path.name for path in paths].index(name)
        for other in [*paths[:at], *paths[at + _KEPT :]]:
            other.unlink(missing_ok=True)

    def latest(self, study: Study, place: int, config: Mapping[str, Any]) -> Checkpoint | None:
        """Return the newest whole checkpoint of this configuration; None if there is none."""
        wanted = config_digest(config)
        with suppress(OSError):  # a store that cannot be reached has none
            for path in files(self.folder_of(study, place)):
                with suppress(OSError, DamagedCheckpointError):
                    checkpoint = read(path)
                    if checkpoint.config == wanted:
                        return checkpoint
        return None

    def places(self, study: Study) -> list[int]:
        """Return the places of trials that have checkpoints."""
        folder = self.study_folder(study)
        if isinstance(folder, Path) and not folder.is_dir():
            return []
        return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]

    def remove(self, study: Study, place: int) -> None:
        """Remove the checkpoints of a trial that has ended."""
        folder = self.folder_of(study, place)
        if isinstance(folder, BucketPath):
            with suppress(OSError):
                folder.remove()
            return
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # others are still in there
            folder.parent.rmdir()
            folder.parent.parent.rmdir()


@overload
def files(folder: Path) -> Iterator[Path]: ...
@overload
def files(folder: ArtifactPlace) -> Iterator[ArtifactPlace]: ...
def files(folder: ArtifactPlace) -> Iterator[ArtifactPlace]:
    """Yield the files of checkpoints in a trial's folder, newest first."""
    if isinstance(folder, Path) and not folder.is_dir():
        return
    found = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    named = [((int(name[1]), int(name[2])), path) for name, path in found if name]
    for _, path in sorted(named, reverse=True):
        yield path


def read(path: ArtifactPlace) -> Checkpoint:
    """Read a checkpoint and check its digest; `DamagedCheckpointError` where it is not whole."""
    with path.open("rb") as file:
        line = file.readline(_LONGEST_HEADER)
        try:
            header = json.loads(line)
            said = header.pop("sha256")
            state = file.read(header["size"] + 1)
            if len(state) != header["size"] or _digest(header, state) != said:
                raise DamagedCheckpointError(f"{path}: is cut short or was changed")
            records = tuple(PlainRecord(**record) for record in header["records"])
            return Checkpoint(header["trial"], header["epoch"], header["config"], records, state)
        except _BAD as error:
            if isinstance(error, DamagedCheckpointError):
                raise
            raise DamagedCheckpointError(f"{path}: has no whole header") from error


def config_digest(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration as canonical JSON, 12 hex digits.

    Without the data, whose folder differs from host to host: the study is pinned to its digest.
    """
    own = {name: value for name, value in config.items() if name != "data"}
    canonical = json.dumps(own, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def checkpoint(
    trial: int,
    config: Mapping[str, Any],
    records: Sequence[Record],
    state: bytes,
) -> Checkpoint:
    """Return the checkpoint of a trial after the last of its records."""
    kept = tuple(map(plain, records))
    return Checkpoint(trial, kept[-1].epoch, config_digest(config), kept, state)


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file, whole or not at all, whatever happens to the machine."""
    _make(folder)
    with NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)  # whoever shares the study may go on with it
            os.replace(file.name, folder / name)
        except BaseException:
            with suppress(OSError):
                os.unlink(file.name)
            raise


def _make(folder: Path) -> None:
    """Make a folder, also where another process is removing an empty one above it."""
    for _ in range(_N_ATTEMPTS):
        with suppress(FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True)
            return
    folder.mkdir(parents=True, exist_ok=True)


def _content(checkpoint: Checkpoint) -> bytes:
    header = {
        "trial": checkpoint.trial,
        "epoch": checkpoint.epoch,
        "config": checkpoint.config,
        "size": len(checkpoint.state),
        "records": [asdict(record) for record in checkpoint.records],
    }
    signed = {"sha256": _digest(header, checkpoint.state), **header}
    return json.dumps(signed).encode() + b"\n" + checkpoint.state


def _digest(header: Mapping[str, Any], state: bytes) -> str:
    """Return the SHA-256 of header and state."""
    hashed = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    hashed.update(state)
    return hashed.hexdigest()
