"""What tests of hostile files share."""

from collections.abc import Callable

import pytest

from commands.errors import UserError

ESCAPE = "\x1b]0;owned\x07\x1b[2J"
"""Would name and clear a terminal's window."""


def refused(read: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        read()
    return str(caught.value)
