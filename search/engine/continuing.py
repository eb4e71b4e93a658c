"""Going on with a trial that was stopped: a new trial with its parameters, place and past.

The stopped one stays as it is, closed. Its process may be alive after all, on a host that was
cut off for a while: what it writes to a closed trial is refused, and so never mixed with what is
written for the new one.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from search.files.checkpoints import Checkpoint, Checkpoints
from search.hosts import owner
from search.studies.study import OpenStudy
from search.trials.reading import (
    ARTIFACTS,
    BEAT,
    CONFIG,
    CONTINUES,
    DEATHS,
    INTERRUPTED,
    LOST,
    OWNER,
    place,
)

MOST_DEATHS = 5
"""Processes that may die over a trial, one after the other, without a further epoch."""
_OF_ITS_END = {ARTIFACTS, BEAT, INTERRUPTED, LOST}
"""Attributes that a stopped trial does not pass on."""


def n_deaths(trial: FrozenTrial) -> int:
    """Return how many processes in a row have died over a trial, one of which is its own."""
    before = trial.user_attrs.get(DEATHS)
    if before is None or _last_epoch(trial) > before["epoch"]:
        return 1
    n: int = before["n"]
    return n + 1


def go_on(
    opened: OpenStudy, stopped: FrozenTrial, checkpoints: Checkpoints | None
) -> tuple[Trial, Checkpoint | None]:
    """Begin a trial of this process's own for a stopped one, in one write.

    Returns it with the checkpoint from which it goes on; None if it begins again.
    """
    study = opened.study
    found = None
    if checkpoints is not None:
        found = checkpoints.latest(study, place(stopped), stopped.user_attrs[CONFIG])
    epoch = found.epoch if found else 0
    past = {step: value for step, value in stopped.intermediate_values.items() if step <= epoch}
    if found:
        # A machine that loses its power may lose reports of epochs that a checkpoint has.
        past |= {record.epoch: record.value for record in found.records}
    template = FrozenTrial(
        number=-1,  # the storage gives one
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params=stopped.params,
        distributions=stopped.distributions,
        user_attrs=_attributes(stopped),
        system_attrs={
            name: value
            for name, value in stopped.system_attrs.items()
            if not name.startswith("artifacts:")
        },
        intermediate_values=past,
    )
    trial_id = opened.place.storage.create_new_trial(study._study_id, template_trial=template)
    study.sampler = RandomSampler(0)  # asked for nothing: all parameters are there
    trial = Trial(study, trial_id)
    return trial, found and _of(found, trial.number)


def _attributes(stopped: FrozenTrial) -> dict[str, Any]:
    own: dict[str, Any] = {
        name: value for name, value in stopped.user_attrs.items() if name not in _OF_ITS_END
    }
    own |= {OWNER: owner.this_process(), CONTINUES: stopped.number}
    if LOST in stopped.user_attrs:
        own[DEATHS] = {"n": n_deaths(stopped), "epoch": _last_epoch(stopped)}
    else:
        own.pop(DEATHS, None)
    return own


def _last_epoch(trial: FrozenTrial) -> int:
    """Return the last epoch that was reported of a trial, or of those that it goes on for."""
    before: int = trial.user_attrs.get(DEATHS, {"epoch": 0})["epoch"]
    return max([before, *trial.intermediate_values])


def _of(checkpoint: Checkpoint, number: int) -> Checkpoint:
    """Return the checkpoint with the records as those of this trial."""
    records = tuple(replace(record, key=number) for record in checkpoint.records)
    return replace(checkpoint, records=records)
