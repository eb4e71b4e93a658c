"""Claiming trials: `--trials 50` means 50, however many runs and processes it takes.

Counting, asking and drawing happen under one lock. Processes that died keep no place: their
trials are closed before the next one is claimed, and whatever was stopped goes on before anything
else is drawn.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from search.engine.continuing import MOST_DEATHS, go_on, n_deaths
from search.files.checkpoints import Checkpoint, Checkpoints
from search.hosts import owner
from search.hosts.heartbeat import Silence
from search.sampling.distributions import suggest, tidy
from search.sampling.drafting import draft
from search.sampling.drawing import Infeasible
from search.sampling.samplers import Sampler
from search.space import Space
from search.space.values import Value
from search.storages.database_lock import DatabaseLock
from search.storages.storage import Lock
from search.studies.study import OpenStudy
from search.trials.reading import (
    FAILURE,
    INTERRUPTED,
    LOST,
    OWNER,
    PLACE,
    UNCLAIMED,
    is_counted,
    place,
    point,
    unfinished,
)

Say = Callable[[str], None]
"""Tells the user something in one line."""
Refusal = Literal["total", "grid"]
"""Why there is no further trial: the total is reached, or the grid has no point left."""


@dataclass(frozen=True)
class Claim:
    """A trial of this process's own, and what was drawn for it."""

    trial: Trial
    params: Mapping[str, Value]
    place: int
    """Which of the study's trials it is."""
    continues: FrozenTrial | None = None
    """The stopped trial that it goes on for."""
    checkpoint: Checkpoint | None = None
    """From where; None: from the beginning."""


def claim(
    opened: OpenStudy,
    sampler: Sampler,
    total: int,
    say: Say,
    *,
    checkpoints: Checkpoints | None = None,
    silence: Silence | None = None,
) -> Claim | Refusal:
    """Go on with a stopped trial, or ask for one and draw its parameters.

    Unless the study has its total.

    Args:
        checkpoints: from where stopped trials go on; None: they begin again.
        silence: tells which processes of other hosts have died; None: none has.
    """
    lock = opened.place.lock
    while True:
        claimed: Claim | Refusal | None = None
        try:
            with lock:
                trials = close_lost(opened, say, silence)
                claimed = _claim(opened, sampler, total, checkpoints, trials)
        except (UpdateFinishedTrialError, ValueError):  # another has closed what this would
            if not _was_lost(lock):
                raise
        if not _was_lost(lock) and claimed is not None:
            return claimed
        # The storage went away meanwhile, and the lock with it: others may have claimed the same.
        if isinstance(claimed, Claim):
            give_up(opened, claimed.trial, UNCLAIMED)


def _claim(
    opened: OpenStudy,
    sampler: Sampler,
    total: int,
    checkpoints: Checkpoints | None,
    trials: Sequence[FrozenTrial],
) -> Claim | Refusal:
    """Claim a trial; the caller holds the lock, under which it has read these."""
    study = opened.study
    sums = opened.roll.read(trials)
    if sums.n_counted >= total:
        return "total"
    whole = (trial for trial in sums.unfinished() if _is_whole(opened.space, trial))
    if stopped := next(whole, None):
        trial, checkpoint = go_on(opened, stopped, checkpoints)
        return Claim(trial, stopped.params, place(stopped), stopped, checkpoint)
    if sampler.is_exhausted(study):
        return "grid"
    own = {OWNER: owner.this_process(), PLACE: sums.free_place}
    if any(trial.state == TrialState.WAITING for trial in sums.open):
        return _claim_waiting(opened, sampler.at(sums.free_place), own)
    template = draft(study, opened.space, sampler.at(sums.free_place), trials, own)
    trial_id = opened.place.storage.create_new_trial(study._study_id, template_trial=template)
    study.sampler = RandomSampler(0)  # asked for nothing: all parameters are there
    return Claim(Trial(study, trial_id), template.params, sums.free_place)


def _claim_waiting(opened: OpenStudy, sampler: Sampler, attributes: Mapping[str, Any]) -> Claim:
    """Claim a trial that was enqueued; what it leaves open is drawn."""
    opened.study.sampler = sampler
    trial = opened.study.ask()
    try:
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        drawn = opened.space.draw(lambda row: suggest(trial, row))
        return Claim(trial, drawn, attributes[PLACE])
    except BaseException as error:
        give_up(opened, trial, type(error).__name__)
        raise


def _was_lost(lock: Lock) -> bool:
    return isinstance(lock, DatabaseLock) and lock.was_lost


def give_up(opened: OpenStudy, trial: Trial, reason: str) -> None:
    """End a trial that was stopped from outside; it leaves the study's total."""
    trial.set_user_attr(INTERRUPTED, reason)
    end(opened, trial, TrialState.FAIL)


def end(
    opened: OpenStudy, trial: Trial, state: TrialState, values: Sequence[float] | None = None
) -> None:
    """End a trial; `UpdateFinishedTrialError` if another process has ended it.

    Without the question to the storage that Optuna's `tell` asks before, so that one that is away
    does not keep a result from its spool.
    """
    opened.place.storage.set_trial_state_values(trial._trial_id, state, values)


def n_counted(opened: OpenStudy) -> int:
    """Count the trials of the study's total."""
    return opened.roll.read(opened.study.get_trials(deepcopy=False)).n_counted


def close_lost(
    opened: OpenStudy, say: Say, silence: Silence | None = None
) -> Sequence[FrozenTrial]:
    """Close running trials whose process has died; the caller holds the lock.

    Left open they would keep their places in the total, and repel the sampler. Returns all trials
    as they then are.
    """
    trials = opened.study.get_trials(deepcopy=False)
    is_open = opened.roll.read(trials).open
    running = [trial for trial in is_open if trial.state == TrialState.RUNNING]
    lost = dict(_lost(running, silence))
    for trial, reason in lost.values():
        with suppress(UpdateFinishedTrialError):  # it was not dead, and has ended it meanwhile
            lose(opened, trial, reason)
    if lost:
        say(f"closed what a dead process left running, to go on with: trial {_listed(lost)}")
        trials = opened.study.get_trials(deepcopy=False)
    return trials


def lose(opened: OpenStudy, trial: FrozenTrial, reason: str) -> None:
    """Close a running trial whose process has died, or whose search has failed.

    It goes on later, unless process after process has died over it.
    """
    if (n := n_deaths(trial)) >= MOST_DEATHS:
        reason = f"{n} processes in a row have died over it: {reason}"
    attribute = FAILURE if n >= MOST_DEATHS else LOST
    storage = opened.place.storage
    storage.set_trial_user_attr(trial._trial_id, attribute, reason)
    storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def _is_whole(space: Space, trial: FrozenTrial) -> bool:
    """Tell whether a trial has all its parameters; a storage that was damaged may lack some."""
    try:
        return {row.name for row in space.active(trial.params)} == trial.params.keys()
    except KeyError:
        return False


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def enqueue_baselines(opened: OpenStudy, infeasible: Infeasible, say: Say) -> None:
    """Have the space's known good trials tried next, those that have not been."""
    space = opened.space
    with opened.place.lock:
        trials = close_lost(opened, say)
        known = {point(trial.params) for trial in trials if is_counted(trial)}
        known |= {point(trial.params) for trial in unfinished(trials)}
        known |= {
            point(trial.system_attrs.get("fixed_params", {}))
            for trial in trials
            if trial.state == TrialState.WAITING
        }
        rows = {row.name: row for row in space.parameters}
        for number, baseline in enumerate(space.baselines, start=1):
            params = {name: tidy(rows[name], value) for name, value in baseline.items()}
            reason = infeasible({**space.fixed, **params})
            if reason is not None:
                say(f"baseline {number} is left out, it cannot be trained here: {reason}")
            elif point(params) not in known:
                opened.study.enqueue_trial(params, user_attrs={"baseline": number})


def _lost(
    running: Iterable[FrozenTrial], silence: Silence | None
) -> Iterator[tuple[int, tuple[FrozenTrial, str]]]:
    """Yield those whose process has died, and how; one with many trials is looked for once."""
    deaths: dict[str, str | None] = {}
    for trial in running:
        process = trial.user_attrs.get(OWNER)
        name = str(process)
        if name not in deaths:
            # Without an owner: left between asking and owning, which is done under the lock.
            deaths[name] = "its process has died" if process is None else owner.death(process)
        reason = deaths[name] or (silence.death(trial) if silence else None)
        if reason:
            yield trial.number, (trial, reason)
