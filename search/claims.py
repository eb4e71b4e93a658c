"""Claiming trials: `--trials 50` means 50, however many runs and processes it takes.

Counting, asking and drawing happen under one lock. Processes that died keep no place: their
trials are closed before the next one is claimed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from optuna.trial import FrozenTrial, Trial, TrialState

from search import owner
from search.distributions import suggest, tidy
from search.drawing import Infeasible
from search.parameters import Value
from search.samplers import Sampler
from search.study import OpenStudy
from search.trials import INTERRUPTED, LOST, OWNER, is_counted, point

Say = Callable[[str], None]
"""Tells the user something in one line."""
Refusal = Literal["total", "grid"]
"""Why there is no further trial: the total is reached, or the grid has no point left."""


@dataclass(frozen=True)
class Claim:
    """A trial of this process's own, and what was drawn for it."""

    trial: Trial
    params: Mapping[str, Value]


def claim(opened: OpenStudy, sampler: Sampler, total: int, say: Say) -> Claim | Refusal:
    """Ask for a trial and draw its parameters, unless the study has its total."""
    study = opened.study
    with opened.place.lock:
        close_lost(opened, say)
        if n_counted(opened) >= total:
            return "total"
        if sampler.is_exhausted(study):
            return "grid"
        study.sampler = sampler
        trial = study.ask()
        try:
            trial.set_user_attr(OWNER, owner.this_process())
            return Claim(trial, opened.space.draw(lambda row: suggest(trial, row)))
        except BaseException as error:
            give_up(opened, trial, type(error).__name__)
            raise


def give_up(opened: OpenStudy, trial: Trial, reason: str) -> None:
    """End a trial that was stopped from outside; it leaves the study's total."""
    trial.set_user_attr(INTERRUPTED, reason)
    opened.study.tell(trial, state=TrialState.FAIL)


def n_counted(opened: OpenStudy) -> int:
    """Count the trials of the study's total."""
    return sum(is_counted(trial) for trial in opened.study.get_trials(deepcopy=False))


def close_lost(opened: OpenStudy, say: Say) -> None:
    """Close running trials whose process has died; the caller holds the lock.

    Left open they would keep their places in the total, and repel the sampler.
    """
    running = opened.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    lost = list(_lost(running))
    for trial in lost:
        opened.place.storage.set_trial_user_attr(trial._trial_id, LOST, "its process has died")
        opened.study.tell(trial.number, state=TrialState.FAIL)
    if lost:
        numbers = ", ".join(str(trial.number) for trial in lost)
        say(f"closed what a dead process left running, to be replaced: trial {numbers}")


def enqueue_baselines(opened: OpenStudy, infeasible: Infeasible, say: Say) -> None:
    """Have the space's known good trials tried next, those that have not been."""
    space = opened.space
    with opened.place.lock:
        trials = opened.study.get_trials(deepcopy=False)
        known = {point(trial.params) for trial in trials if is_counted(trial)}
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


def _lost(running: Iterable[FrozenTrial]) -> Iterator[FrozenTrial]:
    """Yield those whose process has died; a process with many trials is looked for once."""
    is_dead: dict[str, bool] = {}
    for trial in running:
        process = trial.user_attrs.get(OWNER)
        name = str(process)
        if name not in is_dead:
            # Without an owner: left between asking and owning, which is done under the lock.
            is_dead[name] = process is None or owner.is_dead(process)
        if is_dead[name]:
            yield trial
