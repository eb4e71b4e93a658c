"""Journals to be damaged: two studies by real searches, the trials of one among the other's."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optuna.trial import FrozenTrial

from search.storages.storage import open_storage
from search.studies.loading import load_study
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import searched


def written(folder: Path, total: int = 3) -> Path:
    """Write a journal of two studies, `small` and `other`, which take turns."""
    path = folder / "journal.log"
    path.write_bytes(_content(total))
    return path


@cache
def _content(total: int) -> bytes:
    trainer = FakeTrainer(epochs=2)
    with TemporaryDirectory() as folder:
        for n_trials in range(1, total + 1):
            for name in ("small", "other"):
                searched(Path(folder), n_trials, trainer=trainer, name=name)
        return Path(folder, "journal.log").read_bytes()


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def write(path: Path, content: list[bytes]) -> None:
    path.write_bytes(b"".join(content))


def index(path: Path, **fields: Any) -> int:
    """Return which line is the first whose record has these fields; keys of tables count."""

    def has(record: dict[str, Any], name: str, value: Any) -> bool:
        own = record.get(name)
        return value in own if isinstance(own, dict) else own == value and name in record

    for at, line in enumerate(lines(path)):
        record = json.loads(line)
        if all(has(record, name, value) for name, value in fields.items()):
            return at
    raise AssertionError(f"no record with {fields}")


def trials(path: Path, name: str = "small") -> list[FrozenTrial]:
    place = open_storage(str(path), create=False)
    return load_study(place, name).get_trials()
