"""The error that is the user's to mend, and the exit status of a command."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_USERS = {
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EACCES", "EPERM", "EROFS", "EIO", "ESTALE"),
        *("EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG"),
    )
}
"""What a path or a disk can do to a command that is not the program's fault."""


class UserError(Exception):
    """A mistake that the user can mend; its message says what, where and what is allowed."""

    status = 2
    """With which a command ends; 1 where it could not finish, and not by the user's mistake."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an OSError the path that it lacks: writing to an open file raises without one."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def check_can_be_written(path: Path) -> None:
    """Raise `UserError`, before anything is computed, if a file cannot be written there."""
    if path.is_dir():
        raise UserError(f"{path}: a folder, where a file was expected")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}")


def _printable(text: str) -> str:
    """Return a message that shows what could move the cursor: names come from strangers' files."""
    return "".join(
        letter
        if letter.isprintable() or letter in "\n\t"
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def end_quietly_while_starting() -> None:
    """Let Ctrl-C end a command without a traceback while it imports, which takes seconds.

    Only for `python -m`, which Python tells by this first argument while it imports packages.
    """
    if sys.argv[:1] == ["-m"]:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def exit_status(command: Callable[[], int]) -> int:
    """Run a command and return its exit status: with one message, 2 for a user's mistake."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return command()
    except UserError as error:
        print(f"error: {_printable(str(error))}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # as a shell reports SIGPIPE
    except OSError as error:
        if error.errno not in _USERS:
            raise
        print(f"error: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return 2
