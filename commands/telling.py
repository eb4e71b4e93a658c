"""How a command tells what nobody asked for: on stderr, beside what was asked for."""

import sys


def to_stderr(line: str) -> None:
    """Tell the user something in one line, at once."""
    print(line, file=sys.stderr, flush=True)
