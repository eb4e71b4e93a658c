"""What a report is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.comparing.evidence import Evidence


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
    counts: Mapping[str, Sequence[int]]
    """Images of each class by split, if they are known."""
    sheets: Mapping[str, bytes]
    """Pictures of the data by file name, those that there are."""
