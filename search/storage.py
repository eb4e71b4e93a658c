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
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from commands.errors import UserError
from search.journal import Journal, is_journal

DEFAULT_STORAGE = "studies/journal.log"
_DEFAULT_FOLDER = Path("studies")


@dataclass(frozen=True)
class Place:
    """An open storage, the folder beside it, and the lock under which trials are claimed.

    Processes on one journal share the lock wherever they run. Those on a database share it only
    on one host, in one folder: across hosts a total may be overshot by one trial a process.
    """

    storage: BaseStorage
    given: str
    """The path or address, without its password."""
    folder: Path
    """Where the studies' files go: the journal's folder, or `studies` for a database."""
    lock: FileLock

    @property
    def option(self) -> str:
        """What a command needs in addition to find this storage; nothing for the default."""
        is_default = self.given == DEFAULT_STORAGE
        return "" if is_default else f" --storage {shlex.quote(self.given)}"


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
    try:
        storage = JournalStorage(Journal(path))
    except (ValueError, KeyError, TypeError, AssertionError, AttributeError) as error:
        raise UserError(f"--storage {given}: the journal is damaged: {error!r}") from error
    return Place(storage, given, path.parent, FileLock(f"{path}.claims.lock"))


def _open_database(given: str, create: bool) -> Place:
    try:
        url = make_url(given)
    except SQLAlchemyError as error:
        raise UserError(f"--storage {given}: is no database address") from error
    shown = url.render_as_string(hide_password=True)
    path = _sqlite_file(url)
    if url.get_backend_name() == "sqlite" and path is None:
        raise UserError(f"--storage {shown}: is in memory and would keep nothing; name a file")
    if path and path.is_dir():
        raise UserError(f"--storage {shown}: {path} is a folder; give a file")
    if path and not path.exists() and not create:
        raise UserError(f"--storage {shown}: no such file: {path}; search.run creates it")
    _make_folder(path.parent if path else _DEFAULT_FOLDER, shown)
    lock = FileLock(f"{path or _DEFAULT_FOLDER / 'database'}.claims.lock")
    try:
        # Processes that create the tables of a fresh file at once would fail one another.
        with lock:
            return Place(RDBStorage(given), shown, _DEFAULT_FOLDER, lock)
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--storage {shown}: cannot be opened: {reason}") from error


def _sqlite_file(url: URL) -> Path | None:
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


def _make_folder(folder: Path, given: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"--storage {given}: {error.filename} is a file, not a folder") from error
