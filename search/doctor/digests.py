"""Digests that tell whether what a storage says of a study is still what was written."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.doctor.finding import Finding
from search.studies import pins
from search.trials.reading import CONFIG, CONTINUES, PLACE, SEED

_PASSED_ON = (CONFIG, SEED, PLACE)
"""What a trial has from the stopped one that it goes on for."""


def digests(study: Study) -> Iterator[Finding]:
    """Yield what does not fit together in a study that search.run has begun."""
    if not pins.is_pinned(study):
        return
    name, attrs = study.study_name, study.user_attrs
    if _digest(attrs[pins.SPACE]) != attrs[pins.SPACE_DIGEST]:
        yield Finding(
            f"study {name}: its space has another digest than it is pinned to: "
            f"{_digest(attrs[pins.SPACE])} instead of {attrs[pins.SPACE_DIGEST]}"
        )
    data = attrs[pins.DATA]
    if not isinstance(data, Mapping) or not isinstance(data.get("digest"), str):
        yield Finding(f"study {name}: the digest of its data is gone")
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        for fault in _faults(trial, trials):
            yield Finding(f"study {name}: trial {trial.number}: {fault}")


def _faults(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> Iterator[str]:
    config = trial.user_attrs.get(CONFIG)
    if trial.state == TrialState.COMPLETE and CONFIG not in trial.user_attrs:
        yield "complete, but its configuration is gone: it cannot be exported"
    elif config is not None and (not isinstance(config, Mapping) or _digest(config) is None):
        yield "its configuration is no table of plain values"
    before = trial.user_attrs.get(CONTINUES)
    if before is None:
        return
    if not isinstance(before, int) or not 0 <= before < trial.number:
        yield f"goes on for trial {before}, which is none before it"
        return
    for attribute in _PASSED_ON:
        if trial.user_attrs.get(attribute) != trials[before].user_attrs.get(attribute):
            yield f"goes on for trial {before} with another {attribute}"
    if trial.params != trials[before].params:
        yield f"goes on for trial {before} with other parameters"


def _digest(content: Any) -> str | None:
    """Return the digest as `search.space` makes it; None of what is no plain JSON."""
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:12]
