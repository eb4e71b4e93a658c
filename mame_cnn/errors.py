"""The error that is the user's to mend, and the exit status of a command.

The same as in `search`, because the two rooms may not import each other.
"""

import errno
import sys
from collections.abc import Callable

_USERS = {
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"),
        *("EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG"),
    )
}
"""What a path or a disk can do to a command that is not the program's fault."""


class UserError(Exception):
    """A mistake that the user can mend; its message says what, where and what is allowed."""


def exit_status(command: Callable[[], int]) -> int:
    """Run a command and return its exit status: 2 with one message for a user's mistake."""
    try:
        return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in _USERS:
            raise
        print(f"error: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return 2
