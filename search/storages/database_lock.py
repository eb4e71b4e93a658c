"""The lock of a storage's claims, kept by the database server that keeps its studies.

Processes share it on whatever hosts they run. The server holds it for a connection, so it is
free again as soon as that ends: with its process, or a minute after a host has lost its power.
"""

from threading import RLock
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from search.storages.patience import Patience

_KEY = 0x6D616D652D636E6E
"""How PostgreSQL is told the lock: `mame-cnn` in ASCII. It is another one in every database."""
_SETTINGS = text("""
    SELECT set_config(name, value, true) FROM pg_settings JOIN (VALUES
        ('statement_timeout', '0'), ('lock_timeout', '0'), ('transaction_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'),
        ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'),
        ('tcp_keepalives_count', '3')
    ) AS wanted (name, value) USING (name)
""")
"""Of the transaction that holds the lock, where the server knows them.

Limits made for ordinary work would end the wait, or the lock under its holder. A host that lost
its power says no goodbye, and is missed after 30 + 3 x 10 seconds instead of two hours.
"""
_IDLE = text("SET SESSION wait_timeout = 3600")
"""Seconds after which MySQL ends a connection that asks nothing, as its holder does not."""
_TRY = text("SELECT GET_LOCK(CONCAT('search.engine.claims.', MD5(DATABASE())), 60)")
"""Waits up to 60 seconds. MySQL's locks are the server's, and have names of 64 characters."""
_POSTGRESQL, _MYSQL = "postgresql", ("mysql", "mariadb")


class DatabaseLock:
    """A lock that all processes on one database share, re-entrant as a `FileLock` is."""

    def __init__(self, url: URL) -> None:
        """Name the database; nothing connects to it before the lock is taken."""
        # A connection of its own each time: nothing that the storage does can end its transaction.
        self._engine = create_engine(url, poolclass=NullPool)
        self._begin()

    def _begin(self) -> None:
        self.patience: Patience | None = None
        """With which a server that does not answer is asked again; None: it is not."""
        self.was_lost = False
        """Whether it was lost under its last holder: then others may have held it meanwhile."""
        self._threads = RLock()
        self._depth = 0
        self._held: Any = None

    @staticmethod
    def serves(url: URL) -> bool:
        """Tell whether a database has such locks."""
        return url.get_backend_name() in (_POSTGRESQL, *_MYSQL)

    @property
    def is_locked(self) -> bool:
        """Whether this process holds the lock."""
        return self._depth > 0

    def __enter__(self) -> "DatabaseLock":
        self._threads.acquire()
        try:
            if self._depth == 0:
                self._held = self.patience.wait_for(self._take) if self.patience else self._take()
                self.was_lost = False
            self._depth += 1
        except BaseException:
            self._threads.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._depth -= 1
            if self._depth == 0:
                held, self._held = self._held, None
                self.was_lost = not self._let_go(held)
        finally:
            self._threads.release()

    def _take(self) -> Any:
        """Wait until the lock is free; return what holds it: here, a connection."""
        connection = self._engine.connect()
        try:
            if connection.dialect.name == _POSTGRESQL:
                connection.execute(_SETTINGS)
                # Held until the transaction ends: a pooler such as PgBouncer may stand between.
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_KEY})"))
            else:
                connection.execute(_IDLE)
                while connection.scalar(_TRY) != 1:
                    pass
        except BaseException:
            connection.invalidate()  # closed as it is: after Ctrl-C it may be in mid-sentence
            connection.close()
            raise
        return connection

    def _let_go(self, held: Any) -> bool:
        """Free the lock; return whether it was held until now."""
        connection: Connection = held
        try:
            connection.rollback()
        except SQLAlchemyError:
            return False  # the connection was lost, and the lock with it
        else:
            return True
        finally:
            connection.close()
