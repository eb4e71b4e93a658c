"""What a report is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.evidence import Evidence


@dataclass(frozen=True)
class Subject:
    """A study, and what its report says beside the evidence."""

    evidence: Evidence
    entry: str
    """The notebook entry, Markdown."""
    rows: Sequence[Mapping[str, Any]]
    """The parameters' plain forms."""
    classes: Sequence[str]
    """Names of the classes, if they are known."""
