"""The error that is the user's to mend, and the exit status of a command."""

import errno
import sys
from collections.abc import Callable


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
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        print(f"error: {error.strerror}: {error.filename or 'while writing'}", file=sys.stderr)
        return 2
