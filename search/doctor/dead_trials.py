"""Running trials whose process has died, and those whose process may be alive."""

from collections.abc import Callable, Iterator, Mapping

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.doctor.finding import Finding, Note
from search.engine.claims import close_lost
from search.hosts import owner
from search.space import Question, Space
from search.storages.storage import Place
from search.studies import pins
from search.studies.study import OpenStudy
from search.trials.reading import OWNER

_NO_SPACE = Space(title="", question=Question("", "", ""), parameters=())
"""Nothing is drawn by the doctor."""


def dead_trials(place: Place, study: Study) -> Iterator[Finding | Note]:
    """Yield what is wrong with the running trials of a study that search.run has begun."""
    if not pins.is_pinned(study):
        return  # whoever runs its trials has no owner to tell
    dead = [trial for trial in running(study) if is_dead(trial)]
    if dead:
        yield Finding(
            f"study {study.study_name}: {_listed(dead)}: running, but the process has died",
            "closed, to go on with the next search.run",
            _closer(place, study),
        )
    for trial in running(study):
        process = trial.user_attrs.get(OWNER)
        if isinstance(process, Mapping) and not owner.is_here(process):
            yield Note(
                f"study {study.study_name}: trial {trial.number} runs on {process.get('host')}, "
                "which cannot be looked at from here; search.run closes it after five minutes of "
                "silence"
            )


def running(study: Study) -> list[FrozenTrial]:
    """Return the trials that train, if their processes live."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def is_dead(trial: FrozenTrial) -> bool:
    """Tell whether a running trial's process has died on this host, or never said its name."""
    process = trial.user_attrs.get(OWNER)
    return process is None or (isinstance(process, Mapping) and owner.is_dead(process))


def alive(study: Study, *, is_silent: bool) -> Iterator[str]:
    """Yield the processes that may be running trials of a study.

    Args:
        is_silent: whether nothing has been written for so long that hearts elsewhere, which beat
            into the same journal, have stopped.
    """
    trials: dict[str, list[FrozenTrial]] = {}
    for trial in running(study):
        process = trial.user_attrs.get(OWNER)
        if not isinstance(process, Mapping) or is_dead(trial):
            continue
        if owner.is_here(process) or not is_silent:
            name = f"process {process.get('pid')} on {process.get('host')}"
            trials.setdefault(name, []).append(trial)
    for name, own in trials.items():
        yield f"{name}: {_listed(own)} of study {study.study_name}"


def _closer(place: Place, study: Study) -> Callable[[], None]:
    def close() -> None:
        with place.lock:
            close_lost(OpenStudy(study, _NO_SPACE, place, is_new=False), lambda line: None)

    return close


def _listed(trials: list[FrozenTrial]) -> str:
    return f"trial {', '.join(str(trial.number) for trial in trials)}"
