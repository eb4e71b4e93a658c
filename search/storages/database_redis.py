"""A journal of Optuna's in Redis; `rediss://` and `?ssl_ca_certs=FILE` ask for TLS."""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalRedisBackend
from sqlalchemy.engine import URL

from commands.errors import UserError
from search.storages.secrets import without_password

REDIS = ("redis", "rediss")
_PREFIX = "optuna"
"""Of all keys. A server's numbered databases hold a journal each."""
_TIMEOUT_S = 10


def open_redis(url: URL, *, create: bool) -> JournalStorage:
    """Open a journal in Redis; `ConnectionError` where the server does not answer.

    Args:
        create: False where it must hold something already.
    """
    try:
        from redis.exceptions import RedisError
    except ImportError as error:
        raise UserError(
            f"--storage {without_password(url)}: Redis needs its driver; "
            "pip install 'mame-cnn-search[storages]'"
        ) from error
    try:
        journal = RedisJournal(_address(url))
        if not create and next(journal.read_logs(0), None) is None:
            raise UserError(
                f"--storage {without_password(url)}: holds no studies yet; search.run begins one"
            )
        return JournalStorage(journal)
    except (RedisError, ValueError) as error:  # the latter for a bad address
        raise ConnectionError(str(error)) from error


def _address(url: URL) -> str:
    """Return an address as the driver reads it: its password stands behind a colon.

    A user is seldom named, and without one SQLAlchemy would leave out the password.
    """
    named = url.set(username=url.username or "") if url.password else url
    return named.render_as_string(hide_password=False)


class RedisJournal(JournalRedisBackend):
    """Optuna's, without snapshots: those are pickles, which run code of whoever wrote them."""

    def __init__(self, address: str) -> None:
        """Name the server; nothing connects yet."""
        import redis

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            super().__init__(address, prefix=_PREFIX)
        self._redis = redis.Redis.from_url(
            address, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )

    def save_snapshot(self, snapshot: bytes) -> None:
        """Keep none: the journal is read from its beginning, as a file's is."""

    def load_snapshot(self) -> bytes | None:
        """Return none, also where another program has left one."""
        return None
