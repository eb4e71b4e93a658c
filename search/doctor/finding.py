"""What the doctor finds: faults, and what would be done about them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that is wrong."""

    fault: str
    """In one line: where, and what."""
    remedy: str = ""
    """What is done about it, after "would be"; nothing where only a person can help."""
    mend: Callable[[], None] | None = None
    """Does it; None where there is nothing to be done, or where it is done with others."""


@dataclass(frozen=True)
class Note:
    """Something worth knowing that is no fault, or that nothing can change any more."""

    said: str
