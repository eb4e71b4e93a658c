"""What a fault may have cost."""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "lost",
    "changed",
    "twice",
    "total",
    "values",
    "unreadable",
    "traceback",
    "ending",
    "leftover",
]
HEADINGS: dict[Kind, str] = {
    "lost": "finished trials lost",
    "changed": "finished trials changed",
    "twice": "trials counted twice",
    "total": "totals wrong",
    "values": "values unlike an undisturbed study's",
    "unreadable": "storages unreadable",
    "traceback": "tracebacks",
    "ending": "ends that are not documented",
    "leftover": "leftovers",
}
"""By kind, what it is called in the table."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Loss:
    """Something that a round has found lost or wrong."""

    kind: Kind
    what: str
