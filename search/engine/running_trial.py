"""A trial of this process that has not ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import Trial

from search.space.values import Value
from search.trainer import Member, Record


@dataclass
class Running:
    """A claimed trial that has not ended: it trains, or waits for its turn."""

    trial: Trial
    drawn: Mapping[str, Value]
    """Its own parameters; the member's include the space's fixed ones."""
    member: Member
    place: int
    """Which of the study's trials it is."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Its complete configuration, as soon as the trainer has told it."""
    fusion_key: str = ""
    """Set as soon as the trainer has told it."""
    is_training: bool = False
    is_alone: bool = False
    """Whether it trains with no other: its cohort has failed, or processes have died over it."""
    at_epoch: int = 0
    """The epoch that it has come to; less than the last one reported while it repeats some."""
    records: list[Record] = field(default_factory=list)
    """Of the epochs reported, those before it went on included."""

    @property
    def epoch(self) -> int:
        """The last epoch reported."""
        return self.records[-1].epoch if self.records else 0

    @property
    def is_repeating(self) -> bool:
        """Whether it has begun again, and not yet come to where it was."""
        return self.at_epoch < self.epoch

    @property
    def best(self) -> Record | None:
        """The first record of the highest value."""
        return max(self.records, key=lambda record: record.value, default=None)
