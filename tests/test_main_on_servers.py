"""The main job on real servers, as a person types it, and the study's way back to a journal."""

import shlex
from contextlib import closing
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial

from search import copy, export, run
from search.report import __main__ as report
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.trials.reading import is_counted
from tests.proxies import proxy_of
from tests.redis_server import PASSWORD
from tests.test_main_in_a_bucket import SPACE

pytest_plugins = ["tests.postgres", "tests.servers"]
pytestmark = pytest.mark.slow  # two workers train, each in a process that imports torch


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    Path("toy.py").write_text(SPACE)
    return tmp_path


def trials(address: str) -> list[FrozenTrial]:
    with closing(open_storage(address, create=False)) as place:
        return load_study(place, "toy").trials


def main_job(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    given = ["toy.py", "--data", "digits", "--trials", "4", "--device", "cpu", "--workers", "2"]
    assert run.main([*given, "--storage", address]) == 0
    found = trials(address)
    assert sum(map(is_counted, found)) == 4
    assert f"--storage {shlex.quote(address)}" in capfd.readouterr().out
    assert copy.main(["toy", "--from", address, "--to", "back.log"]) == 0
    assert [(t.number, t.values, t.params, t.user_attrs) for t in trials("back.log")] == [
        (t.number, t.values, t.params, t.user_attrs) for t in found
    ]
    assert export.main(["toy", "--storage", address, "--out", "best.toml"]) == 0
    assert report.main(["toy", "--storage", address, "--out", "report.html"]) == 0


def test_mysql(mysql_database: str, capfd: pytest.CaptureFixture[str]) -> None:
    main_job(mysql_database, capfd)


def test_redis(home: Path, redis_database: str, capfd: pytest.CaptureFixture[str]) -> None:
    main_job(redis_database, capfd)
    for path in home.rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes(), path


def test_a_proxy_of_postgresql(database: str, capfd: pytest.CaptureFixture[str]) -> None:
    with proxy_of(database) as address:
        main_job(address, capfd)
