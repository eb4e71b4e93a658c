"""Numbers on the command line, with errors that say what is allowed."""

import argparse
import math
from collections.abc import Callable


def whole(at_least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers that argparse reports the bound of."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < at_least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {at_least}, got {text}"
            )
        return int(text)

    return read


def seconds(text: str) -> float:
    """Return a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return number
