"""Where studies are kept: a journal file, or any database that Optuna can reach.

A path is a journal, an address with `://` a database. What only reads creates nothing.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from commands.errors import UserError
from search.database import (
    claims_lock,
    open_database,
    read_address,
    sqlite_file,
    without_password,
)
from search.database_lock import DatabaseLock
from search.journal import Journal, damaged, is_journal

DEFAULT_STORAGE = "studies/journal.log"
_DEFAULT_FOLDER = Path("studies")

Lock = FileLock | DatabaseLock
"""Re-entrant, and free again when the process that held it has died."""


@dataclass(frozen=True)
class Place:
    """An open storage, the folder beside it, and the lock under which trials are claimed.

    Processes on one journal share the lock wherever they run, and so do those on one database of
    PostgreSQL or MySQL, where the server keeps it. Those on any other database share it on one
    host, in one folder.
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

    def close(self) -> None:
        """Let go of the connections to a database; a process that ends need not."""
        if isinstance(self.storage, RDBStorage):
            self.storage.engine.dispose()


def open_storage(given: str = DEFAULT_STORAGE, *, create: bool = True) -> Place:
    """Open the storage at a path or address.

    Args:
        given: a path (a journal) or an address such as `postgresql://host/name`.
        create: whether to make what does not exist; False where studies are only read.
    """
    # Its "a new study was created" and the like would run through the display.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return _open_database(given, create) if "://" in given else _open_journal(given, create)


def _open_journal(given: str, create: bool) -> Place:
    path = Path(given)
    if path.is_dir():
        raise UserError(f"--storage {given}: is a folder; give a file, such as {path}/journal.log")
    if path.exists():
        if not is_journal(path):
            raise UserError(f"--storage {given}: is no journal of Optuna's; give another file")
    elif not create:
        raise UserError(f"--storage {given}: no such file; search.run creates it")
    _make_folder(path.parent, given)
    journal = Journal(path)
    try:
        storage = JournalStorage(journal)
    except (UserError, OSError):
        raise
    except Exception as error:  # Optuna's replay asserts, looks up and converts as it goes
        fault = f"is rejected by Optuna's replay ({type(error).__name__}: {error})"
        raise damaged(path, journal.n_read, fault) from error
    journal.tell_unfinished()
    return Place(storage, given, path.parent, FileLock(f"{path}.claims.lock"))


def _open_database(given: str, create: bool) -> Place:
    url = read_address(given)
    shown = without_password(url)
    path = sqlite_file(url)
    if url.get_backend_name() == "sqlite" and path is None:
        raise UserError(f"--storage {shown}: is in memory and would keep nothing; name a file")
    if path and path.is_dir():
        raise UserError(f"--storage {shown}: {path} is a folder; give a file")
    if path and not path.exists() and not create:
        raise UserError(f"--storage {shown}: no such file: {path}; search.run creates it")
    _make_folder(path.parent if path else _DEFAULT_FOLDER, shown)
    try:
        lock = claims_lock(url, _DEFAULT_FOLDER)
        with lock:
            storage = open_database(url, create=create)
        return Place(storage, shown, _DEFAULT_FOLDER, lock)
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        # What the driver says, without what is put around it.
        reason = next(iter(str(error.__cause__ or error).splitlines()), type(error).__name__)
        raise UserError(f"--storage {shown}: cannot be opened: {reason}") from error


def _make_folder(folder: Path, given: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"--storage {given}: {error.filename} is a file, not a folder") from error
