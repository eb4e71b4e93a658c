"""Real servers of MySQL and Redis, and proxies of databases, keep a study as a journal does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from sqlalchemy import text

from commands.errors import UserError
from search.storages.database_lock import DatabaseLock
from search.storages.patience import Patience
from search.storages.storage import Place, open_storage
from search.studies.loading import load_study
from tests.proxies import proxy_of
from tests.redis_server import PASSWORD
from tests.search.searching import searching

pytest_plugins = ["tests.postgres", "tests.servers"]

SERVERS = ("mysql_database", "redis_database", "postgresql_proxy", "mysql_proxy")
N_TRIALS = 6


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where the folder `studies` of databases is made


@pytest.fixture
def postgresql_proxy(database: str) -> Iterator[str]:
    with proxy_of(database) as address:
        yield address


@pytest.fixture
def mysql_proxy(mysql_database: str) -> Iterator[str]:
    with proxy_of(mysql_database) as address:
        yield address


@pytest.fixture(params=SERVERS)
def address(request: pytest.FixtureRequest) -> str:
    given: str = request.getfixturevalue(request.param)
    return given


def told(place: Place) -> list[Any]:
    return [
        (trial.number, trial.state, trial.values, trial.params, trial.intermediate_values)
        for trial in load_study(place, "small").trials
    ]


def test_a_study_is_what_it_is_in_a_journal(address: str, tmp_path: Path) -> None:
    for total in (2, N_TRIALS):  # the second search goes on with the first one's study
        with closing(open_storage(address, patience=Patience())) as place:
            searching(place, total, sampler="tpe")
    with closing(open_storage(address, create=False)) as place:
        found = told(place)
    with closing(open_storage(str(tmp_path / "journal.log"))) as place:
        searching(place, N_TRIALS, sampler="tpe")
        assert found == told(place)


def test_a_wrong_password_is_one_message_without_it(
    redis_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAME_STORAGE_PASSWORD", "wr0ng")
    with pytest.raises(UserError, match="cannot be opened: invalid username-password") as caught:
        open_storage(redis_database)
    assert "wr0ng" not in str(caught.value)
    own = redis_database.replace("//", f"//:{PASSWORD}@")  # one in the address comes first
    assert PASSWORD not in open_storage(own).given


@pytest.mark.parametrize("kind", ["mysql_database", "redis_database"])
def test_reading_an_empty_one_makes_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    for _ in range(2):
        with pytest.raises(UserError, match="holds no studies yet"):
            open_storage(request.getfixturevalue(kind), create=False)


def test_tables_of_another_version_in_mysql_are_one_message_with_both(mysql_database: str) -> None:
    with closing(open_storage(mysql_database)) as place:
        assert isinstance(place.storage, RDBStorage)
        with place.storage.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = 'v9.9.9.a'"))
            connection.execute(text("UPDATE version_info SET library_version = '9.9.9'"))
    with pytest.raises(UserError, match=r"set up by optuna 9\.9\.9") as caught:
        open_storage(mysql_database)
    assert f"runtime optuna version {optuna.__version__}" in str(caught.value)


def test_the_lock_of_mysql_is_waited_for_and_free_after_its_holder(mysql_database: str) -> None:
    order = []
    with (
        closing(open_storage(mysql_database)) as one,
        closing(open_storage(mysql_database)) as two,
    ):
        assert isinstance(one.lock, DatabaseLock)

        def wait() -> None:
            with two.lock:
                order.append("second")

        with ThreadPoolExecutor() as pool:
            with one.lock, one.lock:
                waiting = pool.submit(wait)
                while not _asks_for_lock(one):
                    assert not waiting.done()
                order.append("first")
            waiting.result(timeout=60)
        assert not one.lock.was_lost
    assert order == ["first", "second"]


def _asks_for_lock(place: Place) -> bool:
    assert isinstance(place.storage, RDBStorage)
    with place.storage.engine.connect() as connection:
        listed = connection.execute(text("SHOW PROCESSLIST")).all()
    return any("User lock" in str(row) for row in listed)
