"""Numbers on the command line, with errors that say what is allowed."""

import argparse


def count(text: str) -> int:
    """Return a whole number of at least 1; argparse reports what is none."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)
