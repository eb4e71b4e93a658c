"""A study as a round of faults leaves it, and what was seen of it."""

from pathlib import Path

import pytest

from benchmarks.faulting.looks import Facts, Looks
from benchmarks.faulting.setting import Files
from tests.benchmarks.faulting.faulted import N, kept, trial


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return kept(tmp_path, map(trial, range(N)))


@pytest.fixture
def seen(files: Files) -> dict[int, Facts]:
    looks = Looks(files.journal)
    looks.look()
    return looks.seen
