"""The ledger of test openings: one JSON object a line, appended and never rewritten.

A test set that is looked at often becomes a validation set. So each opening is written down
before its score is shown, and the next one for the same data needs a reason, which every later
report repeats.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from filelock import FileLock
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from commands.errors import UserError, naming
from commands.strangers import read_text
from mame_cnn.configuration.faults import describe_faults

DEFAULT_LEDGER = Path("studies/test_ledger.jsonl")
MOST_BYTES = 64 * 2**20
"""Of a ledger, which has half a KiB an opening."""
N_SHOWN = 3
"""Weights of an ensemble that a line names; the ledger has all."""
Digest = Annotated[str, Field(pattern="^[0-9a-f]{12}$")]


def _is_time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("must be a time with its zone, such as 2026-01-31T12:00:00+00:00")
    return text


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class OpenedModel(_Entry):
    """Which weights saw the test set."""

    kind: Literal["model", "ensemble"]
    path: str
    config_digests: Annotated[tuple[Digest, ...], Field(min_length=1, strict=False)]
    weights_digests: Annotated[tuple[Digest, ...], Field(min_length=1, strict=False)]


class OpenedData(_Entry):
    """Which test set."""

    name: str
    digest: Digest


class Score(_Entry):
    """What came of it."""

    accuracy: float = Field(ge=0, le=1)
    n_images: int = Field(ge=1)


class Opening(_Entry):
    """One line of the ledger."""

    when: Annotated[str, AfterValidator(_is_time)]
    """UTC, ISO 8601."""
    model: OpenedModel
    data: OpenedData
    score: Score
    reason: str | None
    """Why the set was opened again; null the first time."""

    def __str__(self) -> str:
        """Return the opening as one line of a report."""
        weights = self.model.weights_digests
        others = f" and {len(weights) - N_SHOWN} more" if len(weights) > N_SHOWN else ""
        why = "first opening" if self.reason is None else f"again: {self.reason}"
        return (
            f"{self.when}: accuracy {self.score.accuracy:.1%} of {self.score.n_images:,} images, "
            f"{self.model.kind} {self.model.path} "
            f"(weights {', '.join(weights[:N_SHOWN])}{others}); {why}"
        )


@dataclass(frozen=True)
class Permission:
    """The right to open a test set, while the ledger is locked."""

    path: Path
    data: OpenedData
    earlier: tuple[Opening, ...]
    reason: str | None

    def record(self, model: OpenedModel, score: Score) -> Opening:
        """Write this opening to the disk and return it; only then may the score be shown."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        opening = Opening(when=when, model=model, data=self.data, score=score, reason=self.reason)
        with naming(self.path):
            _append(self.path, opening.model_dump_json())
        return opening


def test_digest(names: Sequence[str], labels: Sequence[int], classes: Sequence[str]) -> str:
    """Return 12 hex digits for a test set: the same at every image size and in every folder.

    The order of the images, and of the classes, is of no account.
    """
    images = sorted((name, classes[label]) for name, label in zip(names, labels, strict=True))
    text = json.dumps([sorted(classes), images], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_openings(path: Path, digest: str | None = None) -> tuple[Opening, ...]:
    """Return a ledger's openings, of one test set or of all; none where there is no ledger.

    Raises `UserError` naming every line that is no entry: a damaged ledger proves nothing.
    """
    try:
        text = read_text(path, MOST_BYTES)
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: the ledger is damaged: not UTF-8: {error}") from None
    openings, faults = [], []
    # Not splitlines(), which would also break at what a reason may hold, such as U+2028.
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        try:
            openings.append(Opening.model_validate_json(line))
        except ValidationError as error:
            faults += [f"  line {number}: {fault}" for fault in describe_faults(error)]
    if faults:
        raise UserError(
            "\n".join([f"{path}: the ledger is damaged; nothing was opened:", *faults])
        )
    return tuple(opening for opening in openings if digest in (None, opening.data.digest))


def earlier_openings(path: Path, data: OpenedData, reason: str | None) -> tuple[Opening, ...]:
    """Return the openings of a test set; refuse with `UserError` if there are some and no reason.

    Holds for the moment only; `permission` makes it last.
    """
    earlier = read_openings(path, data.digest)
    if earlier and reason is None:
        shown = "\n".join(f"  {opening}" for opening in earlier)
        raise UserError(
            f"the test set of {data.name} (digest {data.digest}) has been opened already, "
            f"says {path}:\n{shown}\n"
            'to open it again, say why: --again "reason"; every later report repeats it'
        )
    return earlier


@contextmanager
def permission(path: Path, data: OpenedData, reason: str | None) -> Iterator[Permission]:
    """Lock the ledger and give permission to open a test set, or refuse with `UserError`.

    The lock is held until the opening is recorded, so that of two processes one waits and is
    then refused.

    Args:
        reason: for opening a set again; kept only if it was opened before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        earlier = earlier_openings(path, data, reason)
        with naming(path), path.open("ab"):
            pass  # a ledger that cannot be written must show before the images are opened
        yield Permission(path, data, earlier, reason if earlier else None)


def _append(path: Path, line: str) -> None:
    """Add a line that is on the disk when this returns, or leave the file as it was."""
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        try:
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise
