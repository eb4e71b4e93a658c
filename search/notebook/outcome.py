"""The outcome of a study in one line, kept on it for the entries of studies that build on it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.notebook.asked import NUMBER, is_later
from search.notebook.markdown import percent
from search.studies.pins import DATA

if TYPE_CHECKING:  # a study begins without any, and would import it for half a second
    from search.comparing.comparison import Row
    from search.comparing.evidence import Evidence

ATTRIBUTE = "outcome"
NONE_YET = "no trial has ended yet"


@dataclass(frozen=True)
class Earlier:
    """A study that another builds on."""

    name: str
    number: int | None
    """Of the experiment; None where the study is not in this storage."""
    outcome: str


def write_outcome(study: Study, evidence: "Evidence") -> None:
    """Keep the outcome on the study."""
    line = outcome_line(evidence)
    if study.user_attrs.get(ATTRIBUTE) != line:
        study.set_user_attr(ATTRIBUTE, line)


def outcome_line(evidence: "Evidence") -> str:
    """Say in one line what came of a study."""
    standing, comparison = evidence.standing, evidence.comparison
    n = standing.n_ended
    trials = f"{n} trial{'' if n == 1 else 's'}"
    if standing.n_ended == 0:
        return NONE_YET
    if standing.best is None or standing.best.value is None:
        return f"{trials}, none ran to its end"
    best = f"{trials}, best {percent(standing.best.value)} (trial {standing.best.number}"
    if comparison is None:
        return f"{best})"
    row = comparison.best
    if not is_of(row, standing.best):
        return f"{best})"
    return (
        f"{best}; 95 % interval {percent(row.low)} to {percent(row.high)}), corrected for the "
        f"choice {percent(comparison.corrected)}"
    )


def is_of(row: "Row", best: FrozenTrial) -> bool:
    """Tell whether the best of a comparison is a study's best trial, or one as good.

    It is another where the best trial's predictions are not there.
    """
    return row.number == best.number or row.accuracy == best.value


def read_outcome(attrs: Mapping[str, Any]) -> str:
    """Return the outcome that was kept among a study's attributes."""
    kept = attrs.get(ATTRIBUTE)
    return kept if isinstance(kept, str) else NONE_YET


def led_here(
    storage: BaseStorage, own: Mapping[str, Any], names: Iterable[str]
) -> tuple[Earlier, ...]:
    """Return the studies of these names, with their outcomes as far as there are any.

    One that was begun later, or on other data, can have led nowhere here, and is told as that.

    Args:
        own: attributes of the study that builds on them.
    """
    there = {study.study_name: study.user_attrs for study in storage.get_all_studies()}
    return tuple(_earlier(name, there.get(name), own) for name in names)


def _earlier(name: str, attrs: Mapping[str, Any] | None, own: Mapping[str, Any]) -> Earlier:
    if attrs is None:
        return Earlier(name, None, "not in this storage")
    if is_later(attrs, own):
        return Earlier(name, None, f"not done before this one (experiment {attrs[NUMBER]})")
    outcome = read_outcome(attrs)
    data, own_data = (dict(each.get(DATA, {})) for each in (attrs, own))
    if data and own_data and data.get("digest") != own_data.get("digest"):
        outcome += f"; on other data ({data.get('name')})"
    return Earlier(name, attrs.get(NUMBER), outcome)
