import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, Engine, TextClause, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from search.storages.database_lock import DatabaseLock

pytest_plugins = ["tests.postgres"]

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from sqlalchemy.engine import make_url
from search.storages.database_lock import DatabaseLock
with DatabaseLock(make_url(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def address(database: str) -> str:
    return database.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def engine(address: str) -> Engine:
    return create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")


@pytest.fixture
def outsider(engine: Engine) -> Iterator[Connection]:
    """Looks at the server from a connection of its own."""
    with engine.connect() as connection:
        yield connection


def lock(address: str) -> DatabaseLock:
    return DatabaseLock(make_url(address))


def n_locks(outsider: Connection, *, granted: bool = True) -> int:
    number = outsider.scalar(
        text(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid "
            "WHERE locktype = 'advisory' AND datname = current_database() AND granted = :granted"
        ),
        {"granted": granted},
    )
    assert isinstance(number, int)
    return number


def test_it_is_held_until_the_outermost_block_ends(address: str, outsider: Connection) -> None:
    ours = lock(address)
    with ours:
        with ours:
            assert (ours.is_locked, n_locks(outsider)) == (True, 1)
        assert (ours.is_locked, n_locks(outsider)) == (True, 1)
    assert (ours.is_locked, n_locks(outsider)) == (False, 0)


def test_an_error_in_the_block_sets_it_free(address: str, outsider: Connection) -> None:
    ours = lock(address)
    with pytest.raises(ZeroDivisionError), ours:
        assert n_locks(outsider) / 0
    assert (ours.is_locked, n_locks(outsider)) == (False, 0)


def test_another_holder_is_waited_for(address: str, outsider: Connection) -> None:
    order = []

    def wait() -> None:
        with lock(address):
            order.append("second")

    with ThreadPoolExecutor() as pool:
        with lock(address):
            waiting = pool.submit(wait)
            while n_locks(outsider, granted=False) == 0 and not waiting.done():
                pass
            order.append("first")
        waiting.result()
    assert order == ["first", "second"]


def test_whoever_counts_under_it_counts_alone(address: str, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE counter AS SELECT 0 AS n"))
    shared = lock(address)

    def count(ours: DatabaseLock) -> None:
        with engine.connect() as connection:
            for _ in range(25):
                with ours:
                    n = connection.scalar(text("SELECT n FROM counter"))
                    connection.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    # Two threads with one lock between them, and two that have one each, as two processes do.
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(count, [shared, shared, lock(address), lock(address)]))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT n FROM counter")) == 4 * 25


def test_a_process_that_is_killed_leaves_it_free(address: str, outsider: Connection) -> None:
    command = [sys.executable, "-c", HOLDER, address]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert n_locks(outsider) == 1
        holder.kill()
    with lock(address):
        assert n_locks(outsider) == 1


def test_limits_made_for_ordinary_work_do_not_reach_it(
    address: str, engine: Engine, outsider: Connection
) -> None:
    name = engine.url.database
    for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        outsider.execute(text(f"ALTER DATABASE {name} SET {setting} = '1h'"))
    ours = lock(address)
    with ours:
        held = ours._held
        assert held is not None
        for setting in (
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
        ):
            assert held.scalar(text(f"SHOW {setting}")) == "0"


def test_a_connection_that_is_lost_costs_the_lock_and_nothing_else(
    address: str, outsider: Connection
) -> None:
    ours = lock(address)
    with ours:
        outsider.execute(
            text(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        assert n_locks(outsider) == 0
    with ours:
        assert n_locks(outsider) == 1


def test_a_server_that_does_not_answer_leaves_it_unlocked(tmp_path: Path) -> None:
    ours = lock(f"postgresql+psycopg:///x?host={tmp_path}")
    for _ in range(2):
        with pytest.raises(SQLAlchemyError), ours:
            raise AssertionError("locked by nobody")
        assert not ours.is_locked


class PretendedMySQL:
    """Stands for the engine and its connection; says of the lock what it was told to."""

    def __init__(self, *answers: int) -> None:
        self.dialect = SimpleNamespace(name="mysql")
        self.answers = list(answers)
        self.is_closed = False

    def connect(self) -> "PretendedMySQL":
        return self

    def execute(self, statement: TextClause) -> None:
        assert "wait_timeout" in str(statement)

    def scalar(self, statement: TextClause) -> int:
        assert "GET_LOCK" in str(statement)
        return self.answers.pop(0)

    def rollback(self) -> None:
        assert not self.is_closed

    def close(self) -> None:
        self.is_closed = True


def test_mysql_is_asked_again_until_it_gives_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    server = PretendedMySQL(0, 0, 1)
    ours = lock("sqlite://")  # as no driver of MySQL's need be installed
    monkeypatch.setattr(ours, "_engine", server)
    with ours:
        assert (server.answers, server.is_closed) == ([], False)
    assert server.is_closed  # which is what sets it free


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://host/x", True),
        ("postgresql+psycopg2://host/x", True),
        ("mysql+pymysql://host/x", True),
        ("mariadb://host/x", True),
        ("sqlite:///x.db", False),
        ("oracle://host/x", False),
        ("cockroachdb://host/x", False),
    ],
)
def test_only_servers_that_have_such_locks_are_asked_for_one(address: str, expected: bool) -> None:
    assert DatabaseLock.serves(make_url(address)) is expected
