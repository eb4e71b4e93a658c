"""A record as the engine keeps and sends it, whatever the trainer's own looks like."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from search.trainer import Record


@dataclass(frozen=True)
class PlainRecord:
    """What one member did in one epoch: see `search.trainer.Record`."""

    key: int
    epoch: int
    value: float
    images_per_s: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    is_finished: bool = False
    failure: str | None = None


def plain(record: Record) -> PlainRecord:
    """Return a trainer's record as a plain one."""
    return PlainRecord(
        record.key,
        record.epoch,
        record.value,
        record.images_per_s,
        dict(record.metrics),
        record.is_finished,
        record.failure,
    )
