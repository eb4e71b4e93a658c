from contextlib import closing
from importlib.machinery import ModuleSpec
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from optuna.storages import RDBStorage
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url

from commands.errors import UserError
from search.storages import database as module
from search.storages.database import claims_lock, read_address
from search.storages.database_lock import DatabaseLock
from search.storages.secrets import without_password
from search.storages.storage import Place, open_storage
from search.studies.loading import load_study

pytest_plugins = ["tests.postgres"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where the folder `studies` of databases is made


def having(monkeypatch: pytest.MonkeyPatch, *installed: str) -> None:
    """Pretend that these drivers are installed, and no other."""

    def find(name: str) -> ModuleSpec | None:
        return ModuleSpec(name, None) if name in installed else None

    monkeypatch.setattr(module, "find_spec", find)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (["psycopg"], "psycopg"),
        (["psycopg2"], "psycopg2"),
        (["psycopg", "psycopg2"], "psycopg"),
    ],
)
def test_postgresql_means_the_driver_that_is_installed(
    scheme: str, installed: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    having(monkeypatch, *installed)
    url = module._with_driver(read_address(f"{scheme}://me@host/studies"))
    assert url == make_url(f"postgresql+{expected}://me@host/studies")


@pytest.mark.parametrize("given", ["postgresql+asyncpg://host/x", "mysql://host/x"])
def test_a_driver_that_is_named_is_taken(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    having(monkeypatch)
    assert module._with_driver(read_address(given)) == make_url(given)


def test_postgresql_without_a_driver_is_answered_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    having(monkeypatch)
    with pytest.raises(UserError, match=r"needs its driver; pip install .*\[postgres\]") as caught:
        open_storage("postgresql://me:secret@host/studies")
    assert "postgresql://me:***@host/studies" in str(caught.value)


@pytest.mark.parametrize(
    "given", ["postgresql://me:secret@host:port/studies", "post gres://me:secret@host/x", "://"]
)
def test_what_is_no_address_is_refused_without_its_password(given: str) -> None:
    with pytest.raises(UserError, match="is no database address") as caught:
        open_storage(given)
    assert "secret" not in str(caught.value)


def test_a_password_behind_the_question_mark_is_not_shown() -> None:
    url = read_address("postgresql:///studies?host=/run/x&password=secret")
    assert without_password(url) == "postgresql:///studies?host=%2Frun%2Fx"


def test_sqlite_locks_a_file_beside_its_own() -> None:
    lock = claims_lock(read_address("sqlite:///deep/studies.db"), Path("studies"))
    assert isinstance(lock, FileLock)
    assert lock.lock_file == "deep/studies.db.claims.lock"


def test_a_database_without_locks_of_its_own_locks_a_file_in_the_studies_folder() -> None:
    lock = claims_lock(read_address("oracle://host/x"), Path("studies"))
    assert isinstance(lock, FileLock)
    assert lock.lock_file == "studies/database.claims.lock"


def test_a_server_that_does_not_answer_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"cannot be opened: connection .* failed: No such file"
    ) as caught:
        open_storage(f"postgresql://me:secret@/studies?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reading_a_fresh_database_makes_no_tables(database: str) -> None:
    with pytest.raises(UserError, match=r"holds no studies yet; search\.run makes its tables"):
        open_storage(database, create=False)
    place = open_storage(database)
    assert inspect(_storage(place).engine).has_table("studies")
    place.close()


def test_a_database_is_read_back_from_another_folder(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_storage(database)
    assert isinstance(first.lock, DatabaseLock)
    optuna.create_study(storage=first.storage, study_name="s").enqueue_trial({"x": 1})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    second = open_storage(database, create=False)
    assert len(load_study(second, "s").trials) == 1
    first.close()
    second.close()


def test_tables_of_another_version_are_one_message_with_both_versions(database: str) -> None:
    with closing(open_storage(database)) as place, _storage(place).engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'v9.9.9.a'"))
        connection.execute(text("UPDATE version_info SET library_version = '9.9.9'"))
    with pytest.raises(UserError, match=r"set up by optuna 9\.9\.9") as caught:
        open_storage(database)
    assert f"runtime optuna version {optuna.__version__}" in str(caught.value)


def test_connections_that_were_cut_between_two_looks_are_made_anew(database: str) -> None:
    place, other = open_storage(database), open_storage(database)
    assert optuna.get_all_study_names(place.storage) == []
    cut_others(other)
    assert optuna.get_all_study_names(place.storage) == []
    place.close()
    other.close()


def cut_others(place: Place) -> None:
    """End all connections to a database but this one, as a server that restarts does."""
    with _storage(place).engine.connect() as connection:
        ended = connection.scalar(
            text(
                "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        assert ended


def _storage(place: Place) -> RDBStorage:
    assert isinstance(place.storage, RDBStorage)
    return place.storage
