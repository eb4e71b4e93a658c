"""What a study's trials come to, each looked at once after it has ended: it changes no more.

`search.trials.reading` says what counts; here it is added up as trials end, so that a claim in a
study of ten thousand trials costs no more than in one of ten.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial, TrialState

from search.trials.reading import (
    CONTINUES,
    INTERRUPTED,
    UNCLAIMED,
    Tally,
    goes_on,
    is_counted,
    place,
    ranked,
)


@dataclass
class Sums:
    """What trials come to, in whatever order they were added."""

    n_by_state: Counter[TrialState] = field(default_factory=Counter)
    best: FrozenTrial | None = None
    open: list[FrozenTrial] = field(default_factory=list)
    """Those that run or wait, counted or not."""
    _stopped: dict[int, FrozenTrial] = field(default_factory=dict)
    _continued: set[int] = field(default_factory=set)
    _n_first: int = 0
    """All places before this one are taken."""
    _beyond: set[int] = field(default_factory=set)

    def copy(self) -> "Sums":
        """Return sums that can be added to on their own."""
        return Sums(
            self.n_by_state.copy(),
            self.best,
            list(self.open),
            dict(self._stopped),
            set(self._continued),
            self._n_first,
            set(self._beyond),
        )

    def add(self, trial: FrozenTrial) -> None:
        """Add a trial."""
        if not trial.state.is_finished():
            self.open.append(trial)
        if trial.user_attrs.get(INTERRUPTED) == UNCLAIMED:
            return
        if (continues := trial.user_attrs.get(CONTINUES)) is not None:
            self._continued.add(continues)
        if goes_on(trial):
            self._stopped[trial.number] = trial
        if not is_counted(trial):
            return
        self.n_by_state[trial.state] += 1
        self._take(place(trial))
        if trial.state == TrialState.COMPLETE:
            self.best = ranked([self.best, trial] if self.best else [trial])[0]

    def _take(self, own: int) -> None:
        if own >= self._n_first:
            self._beyond.add(own)
        while self._n_first in self._beyond:
            self._beyond.remove(self._n_first)
            self._n_first += 1

    @property
    def n_counted(self) -> int:
        """The trials of the study's total."""
        return self.n_by_state.total()

    @property
    def free_place(self) -> int:
        """The first place that no counted trial has."""
        return self._n_first

    def unfinished(self) -> list[FrozenTrial]:
        """Return the stopped trials that nobody has gone on for yet, in the order of places."""
        left = (self._stopped[number] for number in self._stopped.keys() - self._continued)
        return sorted(left, key=lambda trial: (place(trial), trial.number))

    def tally(self) -> Tally:
        """Return how the study stands."""
        n = self.n_by_state
        return Tally(
            n_complete=n[TrialState.COMPLETE],
            n_pruned=n[TrialState.PRUNED],
            n_failed=n[TrialState.FAIL],
            n_running=n[TrialState.RUNNING],
            best=self.best,
        )


class Newly:
    """Tells which of a study's trials have ended since it was last asked: each once."""

    def __init__(self) -> None:
        self._n_seen = 0
        self._open: list[int] = []
        """Numbers, below that, of trials that had not ended."""

    def ended(self, trials: Sequence[FrozenTrial]) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """Return the trials that have ended since, and those that have not yet.

        Args:
            trials: all of the study's, in order.
        """
        looked_at = [trials[number] for number in (*self._open, *range(self._n_seen, len(trials)))]
        left = [trial for trial in looked_at if not trial.state.is_finished()]
        self._open, self._n_seen = [trial.number for trial in left], len(trials)
        return [trial for trial in looked_at if trial.state.is_finished()], left


class Roll:
    """Adds up the trials of one study."""

    def __init__(self) -> None:
        self._newly = Newly()
        self._ended = Sums()

    def read(self, trials: Sequence[FrozenTrial]) -> Sums:
        """Return what these come to: all of the study's, in order."""
        ended, left = self._newly.ended(trials)
        for trial in ended:
            self._ended.add(trial)
        now = self._ended.copy()
        for trial in left:
            now.add(trial)
        return now
