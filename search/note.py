"""The notebook entry of a study, shown by Optuna's dashboard as the study's note.

It has the five headings that MAMe experiments are written up with. The first three come from
the space; the last two are written when a search ends, and again when it is continued.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from optuna.study import Study
from optuna_dashboard import get_note, save_note

from search import wording
from search.parameters import Choice, Parameter
from search.space import Space
from search.trainer import Trainer
from search.trials import BEST_EPOCH, Tally

_OUTCOMES = "\n\n## Experimental outcomes\n\n"
_OBSERVATIONS = "\n\n## Observations\n\n"
_WRITTEN = "note_digest"
"""The study attribute that tells whether a person has edited the note since."""
_NEAR_END = 0.05
"""The share of a range, on its own scale, that counts as its end."""


def begin(study: Study, space: Space, trainer: Trainer) -> None:
    """Write what is known before the first trial."""
    question = space.question
    sections = [
        f"# {space.title}",
        f"## Previous observed state\n\n{question.previous}",
        f"## Current hypothesis\n\n{question.hypothesis}",
        f"## Experimental set-up\n\n{question.setup}",
        _table(space),
        _settings(space, trainer),
    ]
    _write(study, "\n\n".join(sections))


def conclude(study: Study, space: Space, metric: str, standing: Tally) -> None:
    """Write outcomes and observations; what a person has written is left as it is."""
    text = get_note(study)
    is_edited = _digest(text) != study.user_attrs.get(_WRITTEN)
    head, has_outcomes, tail = text.partition(_OUTCOMES)
    observations = "\n".join(f"- {line}" for line in _observations(study, space, metric, standing))
    if is_edited and has_outcomes and _OBSERVATIONS in tail:
        observations = tail.partition(_OBSERVATIONS)[2]
    elif is_edited:
        return
    outcomes = _outcomes(metric, standing)
    edited = f"{head}{_OUTCOMES}{outcomes}{_OBSERVATIONS}{observations}"
    if is_edited:
        save_note(study, edited)
    else:
        _write(study, edited)


def _write(study: Study, text: str) -> None:
    save_note(study, text)
    study.set_user_attr(_WRITTEN, _digest(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _table(space: Space) -> str:
    lines = ["| parameter | values | exists | source |", "|---|---|---|---|"]
    for parameter in space.parameters:
        row = parameter.to_json()
        cells = (parameter.name, wording.values(row), wording.existence(row), parameter.source)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def _settings(space: Space, trainer: Trainer) -> str:
    data, objective = trainer.data, trainer.objective
    lines = [
        f"- fixed: {_pairs(space.fixed) or 'nothing'}",
        *(f"- tried first: {_pairs(baseline)}" for baseline in space.baselines),
        f"- budget: at most {trainer.epochs} epochs a trial",
        f"- data: {data.get('name')} ({data.get('digest')})",
        f"- objective: {_pairs(objective)}",
        f"- space: {space.digest}",
    ]
    return "\n".join(lines)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def _outcomes(metric: str, standing: Tally) -> str:
    text = (
        f"{standing.n_ended} trials: {standing.n_complete} complete, "
        f"{standing.n_pruned} pruned, {standing.n_failed} failed."
    )
    best = standing.best
    if best is None or best.value is None:
        return f"{text} None has a value."
    return (
        f"{text} Best: trial {best.number} with {metric} {best.value:.4f} "
        f"at epoch {best.user_attrs.get(BEST_EPOCH)}: {_pairs(best.params)}."
    )


def _observations(study: Study, space: Space, metric: str, standing: Tally) -> Iterator[str]:
    best = standing.best
    if best is None or best.value is None:
        yield "No trial ran to its end, so nothing can be said of the space."
        return
    for trial in study.get_trials(deepcopy=False):
        number = trial.user_attrs.get("baseline")
        if number and trial.value is not None and trial.number != best.number:
            yield (
                f"Baseline {number} (trial {trial.number}) reached {trial.value:.4f}; "
                f"the best {metric} is {best.value - trial.value:+.4f} from it."
            )
    ends = [end for row in space.active(best.params) if (end := _end(row, best.params[row.name]))]
    if ends:
        at = ", ".join(ends)
        yield f"The best trial lies at the end of a range; there may be more beyond it: {at}."
    else:
        yield "The best trial lies inside every range."


def _end(row: Parameter, value: Any) -> str | None:
    """Say at which end of its range a value lies, or None; choices have no ends."""
    if isinstance(row, Choice) or row.low == row.high:
        return None
    low, high, at = (
        (math.log(number) if row.log else number) for number in (row.low, row.high, value)
    )
    share = (at - low) / (high - low)
    if _NEAR_END <= share <= 1 - _NEAR_END or at == row.low == 0:
        return None  # nothing lies beyond a rate of 0
    return f"{row.name} {value:g} of {wording.values(row.to_json())}"
