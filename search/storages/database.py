"""Databases that keep studies: their addresses, their drivers, and how they are opened."""

from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock
from optuna.storages import RDBStorage
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from commands.errors import UserError
from search.storages.database_lock import DatabaseLock
from search.storages.database_writes import Database
from search.storages.secrets import without_password

_DRIVERS = ("psycopg", "psycopg2")
"""For PostgreSQL, the preferred one first. SQLAlchemy's own choice varies with its version, and is
made without looking."""
_MYSQL_DRIVERS = {"MySQLdb": "mysqldb", "pymysql": "pymysql"}
"""By module; SQLAlchemy's own choice comes first."""
_SILENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""Seconds (the last: milliseconds) after which a host that no longer answers has gone.

libpq would wait for hours; what the address says counts more.
"""
_A_TABLE = "studies"
"""One of those that Optuna makes."""


def read_address(given: str) -> URL:
    """Return a database's address; `UserError` where it is none."""
    try:
        url = make_url(given)
    except (SQLAlchemyError, ValueError) as error:  # the latter for a port that is no number
        # Not shown whole, as nobody can say where its password is.
        raise UserError(
            f"--storage {given.partition('://')[0]}://...: is no database address; "
            "one looks like postgresql://user@host/studies"
        ) from error
    return url.set(drivername="postgresql") if url.drivername == "postgres" else url


def sqlite_file(url: URL) -> Path | None:
    """Return the file of an SQLite database; None for any other, and for one in memory."""
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


def claims_lock(url: URL, folder: Path) -> DatabaseLock | FileLock:
    """Return the lock under which trials of a database are claimed.

    Args:
        folder: where a file is locked for databases that have no locks of their own.
    """
    if DatabaseLock.serves(url):
        return DatabaseLock(_with_driver(url))
    return FileLock(f"{sqlite_file(url) or folder / 'database'}.claims.lock")


def open_database(url: URL, *, create: bool) -> RDBStorage:
    """Open a database; the caller holds its lock.

    Processes that create the tables of a fresh one at the same time would fail one another.
    """
    url = _with_driver(url)
    if not create and not _has_tables(url):
        raise UserError(
            f"--storage {without_password(url)}: holds no studies yet; search.run makes its tables"
        )
    # A trial may train for hours: a connection that was cut meanwhile is found out and replaced.
    kwargs = {"pool_pre_ping": True, "connect_args": _arguments(url)}
    address = url.render_as_string(hide_password=False)
    storage = Database(address, engine_kwargs=kwargs, skip_compatibility_check=True)
    try:
        storage._version_manager.check_table_schema_compatibility()
    except RuntimeError as error:
        storage.engine.dispose()
        raise UserError(f"--storage {without_password(url)}: {_of_versions(error)}") from None
    return storage


def _arguments(url: URL) -> dict[str, int]:
    """Return what a driver is told besides the address."""
    if url.drivername.removeprefix("postgresql+") not in _DRIVERS:
        return {}
    return {name: value for name, value in _SILENCE.items() if name not in url.query}


def _of_versions(error: RuntimeError) -> str:
    """Return Optuna's words about tables of another version, with a command that exists."""
    words = str(error).replace("$ optuna", "optuna").replace("$STORAGE_URL", "and this address")
    return f"{words} Or keep it, and search.copy the studies with the Optuna that made it."


def _with_driver(url: URL) -> URL:
    """Return an address with the driver that is installed, if it names none."""
    if url.drivername == "mysql":
        there = (name for module, name in _MYSQL_DRIVERS.items() if find_spec(module))
        driver = next(there, None)
        return url.set(drivername=f"mysql+{driver}") if driver else url
    if url.drivername != "postgresql":
        return url
    for name in _DRIVERS:
        if find_spec(name):
            return url.set(drivername=f"postgresql+{name}")
    raise UserError(
        f"--storage {without_password(url)}: PostgreSQL needs its driver; "
        "pip install 'mame-cnn-search[postgres]'"
    )


def _has_tables(url: URL) -> bool:
    engine = create_engine(url, poolclass=NullPool)
    return inspect(engine).has_table(_A_TABLE)
