"""What a rule says of a trial or a study: never without the epochs and values it stands on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")


@dataclass(frozen=True)
class Finding:
    """One thing that curves show, and what to do about it."""

    rule: str
    """`overfitting`, say: see `search.diagnosis.RULES`."""
    severity: Severity
    message: str
    """What is seen, with epochs and values."""
    next_step: str
    """Which range to move or to close, or which technique to add."""
    epochs: tuple[int, ...] = ()
    """The epochs that the finding stands on."""
    values: tuple[float, ...] = ()
    """What was read there, in the message's order."""
    trials: tuple[int, ...] = ()
    """Numbers of the trials that a study's finding stands on; empty for a trial's own."""


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with the gravest first, otherwise in the order given."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
