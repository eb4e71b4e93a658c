"""Sixteen processes begin one study at the same instant, with the dashboard open."""

from pathlib import Path

import pytest

from benchmarks.crowd import crowd

pytest_plugins = ["tests.postgres"]
pytestmark = pytest.mark.slow

N_PROCESSES, N_EPOCHS = 16, 4


def test_on_a_fresh_journal_nothing_is_lost(tmp_path: Path) -> None:
    _check(str(tmp_path / "journal.log"), tmp_path, n_trials=64)


def test_on_a_fresh_postgresql_database_nothing_is_lost(database: str, tmp_path: Path) -> None:
    _check(database, tmp_path, n_trials=32)  # each takes five times as long as in a journal


def _check(storage: str, folder: Path, n_trials: int) -> None:
    result = crowd(storage, folder, n_processes=N_PROCESSES, n_trials=n_trials, n_epochs=N_EPOCHS)
    assert result["faults"] == []
    assert result["n_counted"] == n_trials
    assert result["most_by_one"] < n_trials  # or they did not meet
    assert result["n_looks"] > 1
