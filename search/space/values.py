"""What a parameter can be called, and what it can be."""

import keyword
import math

Value = str | int | float
"""What a parameter can be; never a bool, because True and 1 are equal in Python."""


def is_name(name: object) -> bool:
    """Tell whether a parameter can have this name."""
    return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)


def is_int(value: object) -> bool:
    """Tell whether this is an integer; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Tell whether this is a finite number; True and False are none."""
    return is_int(value) or (isinstance(value, float) and math.isfinite(value))
