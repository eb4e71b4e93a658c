"""Combinations: frozen values that turn members' probabilities into one distribution an image.

How they are fitted is told elsewhere; how they are written, as a TOML or JSON table, is told here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol, Self

import numpy as np
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass
from scipy.special import softmax

from commands.errors import UserError
from commands.strangers import shown
from mame_cnn.combining.members import LEAST, Probs, checked_probs, floored_log, normalised

_STRICT = ConfigDict(extra="forbid")


def _sum_to_1(weights: tuple[float, ...]) -> tuple[float, ...]:
    if abs(sum(weights) - 1) > 1e-6:
        raise ValueError(f"weights must sum to 1, these sum to {sum(weights):g}")
    return weights


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Shares = Annotated[
    tuple[Annotated[Number, Field(ge=0)], ...],
    Field(min_length=1),
    AfterValidator(_sum_to_1),
]


Link = Literal["identity", "logistic"]


class Combination(Protocol):
    """Turns what M members say into one distribution."""

    @property
    def name(self) -> str:
        """The combiner that it came from."""

    @property
    def n_members(self) -> int:
        """M."""

    def combine(self, probs: Probs) -> Probs:
        """Return [N, K], rows summing to 1, for members' probabilities [M, N, K]."""


@dataclass(frozen=True, config=_STRICT)
class Weighted:
    """The weighted arithmetic mean of probabilities."""

    name: str
    weights: Shares
    kind: Literal["weighted"] = "weighted"

    @property
    def n_members(self) -> int:
        """M."""
        return len(self.weights)

    def combine(self, probs: Probs) -> Probs:
        """Return sum_m w_m p_m, [N, K]."""
        return normalised(np.tensordot(self.weights, _said_by(self, probs), 1))


@dataclass(frozen=True, config=_STRICT)
class Geometric:
    """The weighted geometric mean of probabilities, normalised."""

    name: str
    weights: Shares
    kind: Literal["geometric"] = "geometric"

    @property
    def n_members(self) -> int:
        """M."""
        return len(self.weights)

    def combine(self, probs: Probs) -> Probs:
        """Return exp(sum_m w_m log p_m) over its sum, [N, K]."""
        logs = floored_log(_said_by(self, probs))
        return _softmax(np.tensordot(self.weights, logs, 1))


@dataclass(frozen=True, config=_STRICT)
class ClassWeighted:
    """A weight for each member and class, and an intercept for each class.

    Args:
        weights: [M][K], of any sign.
        link: `identity` weighs probabilities, cuts off what falls below `LEAST` and divides by
            the sum; `logistic` weighs their logarithms and takes the softmax.
    """

    name: str
    weights: Annotated[tuple[tuple[Number, ...], ...], Field(min_length=1)]
    intercepts: Annotated[tuple[Number, ...], Field(min_length=2)]
    link: Link
    kind: Literal["class-weighted"] = "class-weighted"

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        n_classes = len(self.intercepts)
        wrong = [
            f"member {number} has {len(row)}"
            for number, row in enumerate(self.weights, start=1)
            if len(row) != n_classes
        ]
        if wrong:
            raise ValueError(
                f"{n_classes} intercepts need as many weights a member; {', '.join(wrong)}"
            )
        return self

    @property
    def n_members(self) -> int:
        """M."""
        return len(self.weights)

    def combine(self, probs: Probs) -> Probs:
        """Return the linked sum_m w_mk p_mk + b_k (logistic: of log p_mk), [N, K]."""
        said = _said_by(self, probs)
        if said.shape[2] != len(self.intercepts):
            raise UserError(
                f"combination {self.name!r} is for {len(self.intercepts)} classes, "
                f"got {said.shape[2]}"
            )
        terms = said if self.link == "identity" else floored_log(said)
        scores = np.einsum("mk,mnk->nk", self.weights, terms) + self.intercepts
        return (
            normalised(np.maximum(scores, LEAST)) if self.link == "identity" else _softmax(scores)
        )


def to_table(combination: Combination) -> dict[str, Any]:
    """Return a combination as lists, numbers and strings, for TOML or JSON."""
    # The adapter is typed by the three kinds, callers know the protocol that they share.
    table: dict[str, Any] = _TABLES.dump_python(combination, mode="json")  # type: ignore[arg-type]
    return table


def from_table(table: Mapping[str, Any]) -> Combination:
    """Return the combination that `to_table` wrote; raises `UserError` naming every fault."""
    try:
        return _TABLES.validate_python(dict(table) if isinstance(table, Mapping) else table)
    except ValidationError as error:
        lines = []
        for fault in error.errors(include_url=False):
            # The first part of a place is the kind, which the reader has not written there.
            path = ".".join(str(part) for part in fault["loc"][1:])
            reason = fault["msg"].removeprefix("Value error, ")
            value = "" if fault["type"] in _TOLD else f", got {shown(fault['input'])}"
            lines.append(f"  combination{path and f'.{path}'}: {reason}{value}")
        raise UserError("not a combination of members:\n" + "\n".join(lines)) from None


_TABLES: TypeAdapter[Weighted | Geometric | ClassWeighted] = TypeAdapter(
    Annotated[Weighted | Geometric | ClassWeighted, Field(discriminator="kind")]
)
_TOLD = ("missing", "value_error", "union_tag_invalid", "union_tag_not_found")
"""Faults whose message holds the value, or that have none."""


def _said_by(combination: Combination, probs: Probs) -> Probs:
    said = checked_probs(probs)
    if len(said) != combination.n_members:
        raise UserError(
            f"combination {combination.name!r} is for {combination.n_members} members, "
            f"got {len(said)}"
        )
    return said


def _softmax(scores: Probs) -> Probs:
    shares: Probs = softmax(scores, axis=-1)
    return shares
