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
from search.database_lock import DatabaseLock

_DRIVERS = ("psycopg", "psycopg2")
"""For PostgreSQL, the preferred one first. SQLAlchemy's own choice varies with its version, and is
made without looking."""
_PASSWORDS = ("password", "passwd")
"""Under which names drivers read one after the question mark of an address."""
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


def without_password(url: URL) -> str:
    """Return an address as it may be shown."""
    return url.difference_update_query(_PASSWORDS).render_as_string(hide_password=True)


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
    return RDBStorage(
        url.render_as_string(hide_password=False), engine_kwargs={"pool_pre_ping": True}
    )


def _with_driver(url: URL) -> URL:
    """Return an address of PostgreSQL with the driver that is installed, any other unchanged."""
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
