"""All that is known of a study, gathered once for its notebook entry and its report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from commands.errors import UserError
from search.compare import compare_studies
from search.comparing.comparison import Comparison, Pair
from search.comparing.cost import Cost, cost_of
from search.comparing.importance import Importance, importance
from search.comparing.ranges import Boundary, Interaction, boundaries, interactions
from search.diagnosis import Finding, diagnose, diagnose_study
from search.files.artifacts import Artifacts
from search.files.history import History, read_history
from search.files.predictions import FILE, Predictions, read_predictions
from search.notebook.asked import is_later
from search.storages.storage import Place
from search.studies import pins
from search.studies.loading import load_study
from search.trials.reading import Tally, is_counted, ranked, tally

N_DIAGNOSED = 10
"""The best trials, whose findings are told one by one."""
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Evidence:
    """A study as it stands, and what its trials' files tell."""

    name: str
    metric: str
    trials: tuple[FrozenTrial, ...]
    """Those that count, by number."""
    standing: Tally
    cost: Cost
    histories: tuple[History, ...]
    """Of the trials that have ended."""
    comparison: Comparison | None
    """None where no trial has predictions that can be used."""
    pairs: tuple[Pair, ...]
    """The study against each that it builds on, as far as they have trials to compare."""
    notes: tuple[str, ...]
    """What could not be done, and why."""
    findings: tuple[Finding, ...]
    """Of the study, gravest first."""
    trial_findings: Mapping[int, tuple[Finding, ...]]
    """Of the best trials, by number; of those alone that have any."""
    importance: Importance
    boundaries: tuple[Boundary, ...]
    """Ends of ranges at which the best trials lie."""
    interactions: tuple[Interaction, ...]
    best_predictions: Predictions | None
    """Of the best trial, where they can be read."""


def gather(
    place: Place, study: Study, artifacts: Artifacts | None, builds_on: Sequence[str] = ()
) -> Evidence:
    """Read a study and the files of its trials.

    Args:
        artifacts: None where none are kept.
        builds_on: studies that it is compared with, where this storage has them.
    """
    all_trials = study.get_trials(deepcopy=False)
    trials = tuple(filter(is_counted, all_trials))
    attrs = study.user_attrs
    epochs = attrs.get(pins.OBJECTIVE, {}).get("epochs")
    notes: list[str] = []
    histories = _histories(trials, artifacts)
    predictions = _best_predictions(trials, artifacts)
    comparison = _comparison(study, trials, artifacts, notes)
    earlier = _earlier(place, study, builds_on)
    pairs = tuple(_pairs(study, comparison, earlier, artifacts, notes))
    findings, trial_findings = _diagnosis(trials, histories, predictions, attrs, epochs, notes)
    return Evidence(
        name=study.study_name,
        metric=(study.metric_names or ["value"])[0],
        trials=trials,
        standing=tally(trials),
        cost=cost_of(all_trials, epochs, histories),
        histories=histories,
        comparison=comparison,
        pairs=pairs,
        notes=tuple(notes),
        findings=findings,
        trial_findings=trial_findings,
        importance=importance(trials),
        boundaries=boundaries(trials, attrs[pins.SPACE]) if pins.SPACE in attrs else (),
        interactions=interactions(trials, attrs[pins.SPACE]) if pins.SPACE in attrs else (),
        best_predictions=predictions,
    )


def _histories(trials: Sequence[FrozenTrial], artifacts: Artifacts | None) -> tuple[History, ...]:
    if artifacts is None:
        return ()
    return tuple(read_history(trial, artifacts) for trial in trials if trial.state in _ENDED)


def _best_predictions(
    trials: Sequence[FrozenTrial], artifacts: Artifacts | None
) -> Predictions | None:
    best = ranked(trials)[:1]
    content = artifacts.read(best[0], FILE) if best and artifacts is not None else None
    try:
        return None if content is None else read_predictions(content)
    except ValueError:
        return None


def _comparison(
    study: Study, trials: Sequence[FrozenTrial], artifacts: Artifacts | None, notes: list[str]
) -> Comparison | None:
    if artifacts is None or not ranked(trials):
        return None
    try:
        return compare_studies([study], artifacts)
    except UserError as error:
        notes.append(f"No comparison: {' '.join(str(error).split())}.")
        return None


def _earlier(place: Place, study: Study, names: Sequence[str]) -> Iterator[Study]:
    there = optuna.get_all_study_names(place.storage)
    for name in names:
        if name in there and name != study.study_name:
            earlier = load_study(place, name)
            if not is_later(earlier.user_attrs, study.user_attrs):
                yield earlier


def _pairs(
    study: Study,
    comparison: Comparison | None,
    earlier: Iterable[Study],
    artifacts: Artifacts | None,
    notes: list[str],
) -> Iterator[Pair]:
    """Yield the study against each earlier one; with one at a time a refusal spoils no other.

    Args:
        comparison: the study's own, whose notes are told with it.
        notes: gets why there is none with an earlier one.
    """
    if comparison is None or artifacts is None:
        return
    for other in earlier:
        try:
            compared = compare_studies([other, study], artifacts)
        except UserError as error:
            reasons = [" ".join(str(error).split())]
        else:
            yield from compared.pairs
            if compared.pairs:
                continue
            reasons = [note for note in compared.notes if note not in comparison.notes]
        notes.append(f"Not compared with {other.study_name}: {'; '.join(reasons)}.")


def _diagnosis(
    trials: Sequence[FrozenTrial],
    histories: Sequence[History],
    predictions: Predictions | None,
    attrs: Mapping[str, Any],
    epochs: int | None,
    notes: list[str],
) -> tuple[tuple[Finding, ...], dict[int, tuple[Finding, ...]]]:
    """Diagnose the study and its trials, where the size of the validation set is known."""
    if predictions is None or epochs is None or pins.SPACE not in attrs:
        if histories:
            notes.append(
                "No diagnosis: how many validation images and classes there are is told by the "
                "predictions of the best trial, which are not there."
            )
        return (), {}
    counts = np.bincount(predictions.labels.astype(np.int64))
    known: dict[str, Any] = {
        "n_val": len(predictions.labels),
        "n_classes": predictions.probs.shape[1],
        "epochs": epochs,
        "chance": float(counts.max() / counts.sum()),
    }
    best = {trial.number for trial in ranked(trials)[:N_DIAGNOSED]}
    found = {
        history.number: diagnose(history, **known)
        for history in histories
        if history.number in best
    }
    return (
        diagnose_study(histories, attrs[pins.SPACE], **known),
        {number: findings for number, findings in found.items() if findings},
    )
