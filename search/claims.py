"""Claiming trials: `--trials 50` means 50, however many runs and processes it takes.

Counting, asking and drawing happen under one lock. Processes that died keep no place: their
trials are closed before the next one is claimed, and whatever was stopped goes on before anything
else is drawn.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from search import owner
from search.checkpoints import Checkpoint, Checkpoints
from search.continuing import MOST_DEATHS, go_on, n_deaths
from search.distributions import suggest, tidy
from search.drawing import Infeasible
from search.heartbeat import Silence
from search.parameters import Value
from search.samplers import Sampler
from search.space import Space
from search.study import OpenStudy
from search.trials import (
    FAILURE,
    INTERRUPTED,
    LOST,
    OWNER,
    PLACE,
    free_place,
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
    study = opened.study
    with opened.place.lock:
        close_lost(opened, say, silence)
        trials = study.get_trials(deepcopy=False)
        if sum(map(is_counted, trials)) >= total:
            return "total"
        whole = (trial for trial in unfinished(trials) if _is_whole(opened.space, trial))
        if stopped := next(whole, None):
            trial, checkpoint = go_on(opened, stopped, checkpoints)
            return Claim(trial, stopped.params, place(stopped), stopped, checkpoint)
        if sampler.is_exhausted(study):
            return "grid"
        own = free_place(trials)
        study.sampler = sampler.at(own)
        trial = study.ask()
        try:
            trial.set_user_attr(OWNER, owner.this_process())
            trial.set_user_attr(PLACE, own)
            return Claim(trial, opened.space.draw(lambda row: suggest(trial, row)), own)
        except BaseException as error:
            give_up(opened, trial, type(error).__name__)
            raise


def give_up(opened: OpenStudy, trial: Trial, reason: str) -> None:
    """End a trial that was stopped from outside; it leaves the study's total."""
    trial.set_user_attr(INTERRUPTED, reason)
    end(opened, trial, TrialState.FAIL)


def end(
    opened: OpenStudy, trial: Trial, state: TrialState, values: Sequence[float] | None = None
) -> None:
    """End a trial; `UpdateFinishedTrialError` if another process has ended it."""
    opened.place.storage.set_trial_state_values(trial._trial_id, state, values)


def n_counted(opened: OpenStudy) -> int:
    """Count the trials of the study's total."""
    return sum(is_counted(trial) for trial in opened.study.get_trials(deepcopy=False))


def close_lost(opened: OpenStudy, say: Say, silence: Silence | None = None) -> None:
    """Close running trials whose process has died; the caller holds the lock.

    Left open they would keep their places in the total, and repel the sampler. They go on later,
    unless process after process has died over one of them.
    """
    running = opened.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    lost = dict(_lost(running, silence))
    for trial, reason in lost.values():
        if (n := n_deaths(trial)) >= MOST_DEATHS:
            reason = f"{n} processes in a row have died over it: {reason}"
        attribute = FAILURE if n >= MOST_DEATHS else LOST
        storage = opened.place.storage
        with suppress(UpdateFinishedTrialError):  # it was not dead, and has ended it meanwhile
            storage.set_trial_user_attr(trial._trial_id, attribute, reason)
            storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    if lost:
        say(f"closed what a dead process left running, to go on with: trial {_listed(lost)}")


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
        close_lost(opened, say)
        trials = opened.study.get_trials(deepcopy=False)
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
