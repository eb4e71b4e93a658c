"""Numbers on the command line, with errors that say what is allowed."""

import argparse
import math
from collections.abc import Callable

MOST_SECONDS = 1e8
"""What the timers of all systems accept."""
LARGEST = 2**31 - 1
"""Of whole numbers: what NumPy's seeds and databases' integers all accept."""


def whole(at_least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers that argparse reports the bounds of."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 10 or not at_least <= int(text) <= LARGEST:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {at_least} and at most {LARGEST}, got {text}"
            )
        return int(text)

    return read


def seconds(text: str) -> float:
    """Return a number above 0, of at most three years."""
    number = _number(text)
    if not 0 < number <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"expected a number above 0 and at most {MOST_SECONDS:.0f}, got {text}"
        )
    return number


def seconds_or_0(text: str) -> float:
    """Return a number of at least 0, of at most three years."""
    number = _number(text)
    if not 0 <= number <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"expected a number of at least 0 and at most {MOST_SECONDS:.0f}, got {text}"
        )
    return number


def share(text: str) -> float:
    """Return a number of at least 0 and below 1."""
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(
            f"expected a number of at least 0 and below 1, got {text}"
        )
    return number


def cohort(text: str) -> int | str:
    """Return `auto` or a whole number of at least 1."""
    return text if text == "auto" else whole(at_least=1)(text)


def _number(text: str) -> float:
    """Return a number; NaN for what is none, which no comparison holds for."""
    try:
        return float(text)
    except ValueError:
        return math.nan
