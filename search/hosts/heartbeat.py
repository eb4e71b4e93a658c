"""Signs of life: each process counts up on its running trials, for those who cannot look at it.

A process of this host is looked at; one of another host that has not counted for five minutes is
dead. The minutes are the observer's own: what clocks say elsewhere is not asked.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from search.hosts import owner
from search.trials.reading import BEAT, OWNER

BETWEEN_BEATS_S = 30.0
SILENCE_S = 300.0
"""Ten beats: a slow network or a database under repair may swallow a few."""


class Heart:
    """Counts up on the running trials of this process, by a thread of its own."""

    def __init__(
        self,
        storage: BaseStorage,
        running: Callable[[], Iterable[int]],
        *,
        between_s: float = BETWEEN_BEATS_S,
    ) -> None:
        """Begin.

        Args:
            running: returns the ids of the trials, at any moment.
            between_s: from one beat to the next.
        """
        self._storage = storage
        self._running = running
        self._between_s = between_s
        self._n_beats = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, daemon=True)

    def __enter__(self) -> "Heart":
        """Let it beat."""
        self._thread.start()
        return self

    def __exit__(self, *of_the_block: object) -> None:
        """Let it stop."""
        self._is_over.set()
        self._thread.join()

    def beat(self) -> None:
        """Count up once."""
        self._n_beats += 1
        for trial_id in self._running():
            # A trial may end at this moment, and a storage come back before the next one.
            with suppress(Exception):
                self._storage.set_trial_user_attr(trial_id, BEAT, self._n_beats)

    def _beat_on(self) -> None:
        while not self._is_over.wait(self._between_s):
            self.beat()


@dataclass(frozen=True)
class _Seen:
    signs: object
    at_s: float
    has_moved: bool
    """Whether it has ever given a sign while it was observed."""


class Silence:
    """Observes running trials of other hosts, and tells which have been silent for too long."""

    def __init__(
        self,
        *,
        limit_s: float = SILENCE_S,
        clock: Callable[[], float] = time.monotonic,
        since: Callable[[], float] = lambda: -math.inf,
    ) -> None:
        """Begin.

        Args:
            since: when the storage last came back, by the clock: silence before that says nothing.
        """
        self._limit_s = limit_s
        self._clock = clock
        self._since = since
        self._seen: dict[int, _Seen] = {}

    def death(self, trial: FrozenTrial) -> str | None:
        """Say how a running trial's process has died; None as long as it may be alive."""
        process = trial.user_attrs.get(OWNER)
        if process is None or owner.is_here(process):
            return None
        # A report, or any other attribute, is as good a sign as a beat.
        signs = (trial.user_attrs.get(BEAT), len(trial.user_attrs), len(trial.intermediate_values))
        seen = self._seen.get(trial._trial_id)
        now = self._clock()
        if seen is None or seen.signs != signs:
            self._seen[trial._trial_id] = _Seen(signs, now, has_moved=seen is not None)
            return None
        silent_s = now - max(seen.at_s, self._since())
        if silent_s < self._limit_s:
            return None
        return f"its process on {process.get('host')} has been silent for {silent_s:.0f} s"

    def is_undecided(self, trial: FrozenTrial) -> bool:
        """Tell whether a running trial has not given a sign yet, and may prove dead."""
        seen = self._seen.get(trial._trial_id)
        return seen is not None and not seen.has_moved
