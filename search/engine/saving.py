"""When checkpoints are written: so that a process that dies loses 30 s of a trial, or one epoch.

A trial that ends before that leaves none: it is sooner trained again than saved.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.engine.running_trial import Running
from search.files.checkpoints import Checkpoint, Checkpoints, checkpoint
from search.trainer import Cohort
from search.trials.reading import place, unfinished

DEFAULT_BETWEEN_S = 30.0


@dataclass
class Saving:
    """Writes the checkpoints of this process's trials."""

    study: Study
    checkpoints: Checkpoints
    say: Callable[[str], None]
    between_s: float = DEFAULT_BETWEEN_S
    """The most that may be lost of a trial, if an epoch does not take longer; 0: one epoch."""
    clock: Callable[[], float] = time.monotonic
    _safe_s: dict[int, float] = field(default_factory=dict)
    """By number: when what would be lost of a trial began."""
    _has_said: bool = False

    def began(self, runs: Iterable[Running]) -> None:
        """Note that trials begin, or go on from their checkpoints."""
        now = self.clock()
        self._safe_s |= {run.trial.number: now for run in runs}

    def after_epoch(self, runs: Iterable[Running], cohort: Cohort, epoch_s: float) -> None:
        """Write the checkpoints that are due: of trials that would lose too much by the next one.

        Args:
            epoch_s: how long the epoch took, as the next one will.
        """
        now = self.clock()
        due = (
            run
            for run in runs
            if now + epoch_s - self._safe_s.get(run.trial.number, now) > self.between_s
        )
        self.save(due, cohort)

    def save(self, runs: Iterable[Running], cohort: Cohort) -> None:
        """Write checkpoints of trials that have just ended an epoch; failing is said once."""
        for run in runs:
            if run.is_repeating or not run.records:
                continue
            try:
                state = cohort.save(run.member.key)
                self.checkpoints.keep(self.study, run.place, self._checkpoint(run, state))
                self._safe_s[run.trial.number] = self.clock()
            except Exception as error:  # the trainer may raise anything, the disk may be full
                self._say_once(error)

    def state(self, run: Running) -> bytes | None:
        """Return the state of the trial's last checkpoint; None if it has none."""
        found = self.checkpoints.latest(self.study, run.place, run.config)
        return found.state if found else None

    def forget(self, run: Running) -> None:
        """Remove the checkpoints of a trial that has ended."""
        self._safe_s.pop(run.trial.number, None)
        self.checkpoints.remove(self.study, run.place)

    def sweep(self, trials: Sequence[FrozenTrial]) -> None:
        """Remove checkpoints of trials that have ended, whose process died before it could.

        The caller holds the study's lock, so that nobody begins meanwhile.
        """
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        needed = {place(trial) for trial in [*unfinished(trials), *running]}
        with suppress(OSError):  # a store that cannot be reached is swept the next time
            for number in set(self.checkpoints.places(self.study)) - needed:
                self.checkpoints.remove(self.study, number)

    def _checkpoint(self, run: Running, state: bytes) -> Checkpoint:
        return checkpoint(run.trial.number, run.config, run.records, state)

    def _say_once(self, error: Exception) -> None:
        if not self._has_said:
            self._has_said = True
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            self.say(
                f"{self.checkpoints.folder}: {reason}: checkpoints are not written; a trial whose "
                "process dies begins again"
            )
