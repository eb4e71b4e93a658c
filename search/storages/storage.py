"""Where studies are kept: a journal file, or any database that Optuna can reach.

A path is a journal, an address with `://` a database, a journal in Redis, or a proxy in front of
a database. What only reads creates nothing.
"""

import math
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from commands.errors import UserError
from search.storages.database import claims_lock, open_database, read_address, sqlite_file
from search.storages.database_grpc import GRPC, ProxyLock, open_proxy
from search.storages.database_lock import DatabaseLock
from search.storages.database_redis import REDIS, open_redis
from search.storages.journal import Journal, damaged, is_journal
from search.storages.journal_storage import JournalLines
from search.storages.patience import Patience, reason
from search.storages.patient_storage import PatientStorage
from search.storages.secrets import hidden, with_password, without_password

DEFAULT_STORAGE = "studies/journal.log"
_OF_DATABASES = (".db", ".sqlite", ".sqlite3")
_DEFAULT_FOLDER = Path("studies")

Lock = FileLock | DatabaseLock
"""Re-entrant, and free again when the process that held it has died."""


@dataclass(frozen=True)
class Place:
    """An open storage, the folder beside it, and the lock under which trials are claimed.

    Processes on one journal share the lock wherever they run, and so do those on one database of
    PostgreSQL or MySQL, where the server keeps it, with or without a proxy. Those on any other
    database share it on one host, in one folder.
    """

    storage: BaseStorage
    given: str
    """The path or address, without its password."""
    folder: Path
    """Where the studies' files go: the journal's folder, or `studies` for a database."""
    lock: Lock

    @property
    def option(self) -> str:
        """What a command needs in addition to find this storage; nothing for the default."""
        is_default = self.given == DEFAULT_STORAGE
        return "" if is_default else f" --storage {shlex.quote(self.given)}"

    def returned_s(self) -> float:
        """Return when the storage last came back from an outage, by the monotonic clock."""
        if isinstance(self.storage, PatientStorage):
            return self.storage.patience.returned_s
        return -math.inf

    def tell(self, is_away: bool, line: str) -> None:
        """Say a worker's line about the storage, unless it has been said; see `Patience`."""
        if isinstance(self.storage, PatientStorage):
            self.storage.patience.tell(is_away, line)

    def close(self) -> None:
        """Let go of the connections to a database; a process that ends need not."""
        storage = self.storage
        if isinstance(storage, PatientStorage):
            storage = storage.storage
        if isinstance(storage, RDBStorage):
            storage.engine.dispose()
        elif isinstance(storage, GrpcStorageProxy):
            storage.close()


def open_storage(
    given: str = DEFAULT_STORAGE, *, create: bool = True, patience: Patience | None = None
) -> Place:
    """Open the storage at a path or address.

    Args:
        given: a path (a journal) or an address such as `postgresql://host/name`.
        create: whether to make what does not exist; False where studies are only read.
        patience: with which an address is asked that does not answer; None: it is asked once. A
            journal file is asked once in any case.
    """
    # Its "a new study was created" and the like would run through the display.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if "://" in given:
        return _open_address(given, create, patience)
    return _open_journal(given, create)


def _open_journal(given: str, create: bool) -> Place:
    path = Path(given)
    if path.is_dir():
        raise UserError(f"--storage {given}: is a folder; give a file, such as {path}/journal.log")
    if path.exists():
        if not is_journal(path):
            raise UserError(f"--storage {given}: is no journal of Optuna's; give another file")
    elif not create:
        raise UserError(f"--storage {given}: no such file; search.run creates it")
    elif path.suffix in _OF_DATABASES:
        raise UserError(
            f"--storage {given}: a path is a journal's; an SQLite file is given as "
            f"sqlite:///{path}, a journal as {path.with_suffix('.log')}"
        )
    _make_folder(path.parent, given)
    journal = Journal(path)
    try:
        storage = JournalLines(journal)
    except (UserError, OSError):
        raise
    except Exception as error:  # Optuna's replay asserts, looks up and converts as it goes
        fault = f"is rejected by Optuna's replay ({type(error).__name__}: {error})"
        raise damaged(path, journal.n_read, fault) from error
    journal.tell_unfinished()
    return Place(storage, given, path.parent, FileLock(f"{path}.claims.lock"))


def _open_address(given: str, create: bool, patience: Patience | None) -> Place:
    read = read_address(given)
    shown = without_password(read)
    url = with_password(read)
    path = sqlite_file(url)
    if url.get_backend_name() == "sqlite" and path is None:
        raise UserError(f"--storage {shown}: is in memory and would keep nothing; name a file")
    if path and path.is_dir():
        raise UserError(f"--storage {shown}: {path} is a folder; give a file")
    if path and not path.exists() and not create:
        raise UserError(f"--storage {shown}: no such file: {path}; search.run creates it")
    _make_folder(path.parent if path else _DEFAULT_FOLDER, shown)
    if patience:
        patience.name = f"--storage {shown}"
        patience.hidden = lambda text: hidden(text, url)
    try:
        if patience and patience.from_start:
            storage, lock = patience.wait_for(lambda: _connect(url, create))
        else:
            storage, lock = _connect(url, create)
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError, OSError) as error:
        why = hidden(reason(error), url)
        if isinstance(error, ImportError) and url.get_backend_name() == "mysql":
            why += "; pip install 'mame-cnn-search[storages]'"
        raise UserError(f"--storage {shown}: cannot be opened: {why}") from None
    return _patient(Place(storage, shown, _DEFAULT_FOLDER, lock), patience)


def _connect(url: URL, create: bool) -> tuple[BaseStorage, Lock]:
    if url.drivername in GRPC:
        proxy = open_proxy(url)
        return proxy, ProxyLock(proxy)
    lock = claims_lock(url, _DEFAULT_FOLDER)
    if url.drivername in REDIS:
        return open_redis(url, create=create), lock
    with lock:
        return open_database(url, create=create), lock


def _patient(place: Place, patience: Patience | None) -> Place:
    """Return a place that is asked with patience, once what was left behind is delivered to it."""
    if patience is None:
        return place
    storage = PatientStorage(place.storage, patience, place.folder)
    if isinstance(place.lock, DatabaseLock):
        place.lock.patience = patience
    storage.deliver_left(place.lock)
    return replace(place, storage=storage)


def _make_folder(folder: Path, given: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"--storage {given}: {error.filename} is a file, not a folder") from error
