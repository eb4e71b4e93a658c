"""Passwords of storages: where they come from, and how they stay out of sight.

One in the address comes first, then `$MAME_STORAGE_PASSWORD`, then the file that
`$MAME_STORAGE_PASSWORD_FILE` names. Without any, PostgreSQL's library looks where it always does:
`$PGPASSWORD`, `$PGPASSFILE`, `~/.pgpass`.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from commands.errors import UserError

PASSWORD = "MAME_STORAGE_PASSWORD"
PASSWORD_FILE = "MAME_STORAGE_PASSWORD_FILE"
_IN_QUERY = ("password", "passwd")
"""Under which names drivers read one after the question mark of an address."""
_SHOWN = "***"
"""What stands for a password that is not shown; in an address it asks for one from elsewhere."""
_LONGEST = 4096
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def without_password(url: URL) -> str:
    """Return an address as it may be shown."""
    return url.difference_update_query(_IN_QUERY).render_as_string(hide_password=True)


def own_password(url: URL) -> str | None:
    """Return the password that stands in an address."""
    in_query = [url.query[name] for name in _IN_QUERY if name in url.query]
    own = [url.password, *(each if isinstance(each, str) else each[-1] for each in in_query)]
    return next((password for password in own if password and password != _SHOWN), None)


def with_password(url: URL, environ: Mapping[str, str] = os.environ) -> URL:
    """Return an address with its password, and with nothing in its place where there is none."""
    bare = url.difference_update_query(_IN_QUERY)
    password = own_password(url) or environ.get(PASSWORD) or None
    if password is None and (file := environ.get(PASSWORD_FILE)):
        password = _read(Path(file))
    rest = (bare.host, bare.port, bare.database, bare.query)
    return URL.create(bare.drivername, bare.username, password, *rest)


def hidden(text: str, url: URL) -> str:
    """Return a text, such as a driver's message, without the password of an address."""
    return text.replace(str(url.password), _SHOWN) if url.password else text


def by_environment(arguments: Sequence[str], storage: str) -> list[str]:
    """Return a command's arguments for another process, without the password of its storage.

    All users of a machine see the arguments of a process. The password goes into our environment,
    which our processes inherit.
    """
    try:
        url = make_url(storage) if "://" in storage else None
    except (SQLAlchemyError, ValueError):
        return list(arguments)
    password = url and own_password(url)
    if url is None or not password:
        return list(arguments)
    os.environ[PASSWORD] = password
    return [argument.replace(storage, without_password(url)) for argument in arguments]


def _read(path: Path) -> str:
    """Return the password that a file holds; `UserError` where it is not for us alone."""
    where = f"${PASSWORD_FILE}: {path}"
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & _FOR_OTHERS:
                raise UserError(f"{where}: others can read it; chmod 600 {path}")
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise UserError(f"{where}: {error.strerror}") from error
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 1 or not lines[0] or len(content) > _LONGEST:
        raise UserError(f"{where}: is not one line of text with the password")
    return lines[0]
