"""TOML files that others may have written: read within limits, or refused with one message."""

import re
import tomllib
from pathlib import Path
from typing import Any

from commands.errors import UserError
from commands.strangers import check_tree, read_text

MOST_BYTES = 4 * 2**20
"""An ensemble of 20 members that weighs 1,000 classes has half a MiB."""
_MOST_DOTS = 4096
"""Beside those of numbers. A key of n parts takes Python's reader time that grows with n squared:
half a second for so many, and hours for as many as fit into the file."""
_NUMBER = re.compile(r"(?<![\w.'\"-])[+-]?\d++\.\d++(?:[eE][+-]?\d++)?(?![\w.'\"-])")


def read_toml(path: Path) -> dict[str, Any]:
    """Return a file's tables; `UserError` names the file and what is wrong with it."""
    try:
        text = read_text(path, MOST_BYTES)
        if _NUMBER.sub("", text).count(".") > _MOST_DOTS:
            raise ValueError(f"more than {_MOST_DOTS:,} dots that are of no number")
        content = tomllib.loads(text)
        check_tree(content)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder, where a TOML file was expected") from None
    # ValueError is that of the reader, of the encoding, and of dates and numbers that are none.
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    return content
