"""What measured costs mean for sizes that nobody has waited for: one queue, and a straight line.

A study is a closed queueing network: workers train, and meet at the one lock of the claims. Mean
value analysis (Reiser and Lavenberg 1980) gives their waiting from two measured figures; it is
exact for times that vary as the exponential distribution does, and cautious for steadier ones.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice, takewhile
from statistics import mean

from scipy.stats import theilslopes

from benchmarks.report import Result

MOST_WORKERS = 4096
"""More are not looked for: what was measured says nothing of them."""


@dataclass(frozen=True)
class Cost:
    """What the engine takes for one trial, in seconds, where no other process is in its way."""

    held_s: float
    """Under the lock of the claims: one process of the study at a time."""
    alone_s: float
    """Outside it: all processes at the same time."""

    def lost_share(self, n_workers: int, train_s: float) -> float:
        """Return the share of the workers' time in which they do not train.

        Args:
            train_s: of a trial.
        """
        return next(islice(self._lost_shares(train_s), n_workers - 1, None))

    def _lost_shares(self, train_s: float) -> Iterator[float]:
        """Yield the share that one worker loses, two do, and so on."""
        at_the_lock = 0.0
        for n in count(1):
            # Who comes finds as many as there would be, on average, without it.
            passing_s = self.held_s * (1 + at_the_lock)
            cycle_s = train_s + self.alone_s + passing_s
            at_the_lock = n * passing_s / cycle_s
            yield 1 - train_s / cycle_s

    def bend(self, train_s: float) -> float:
        """Return the number of workers from which on the lock, not they, sets the pace.

        Where the asymptotes of the throughput cross (Denning and Buzen 1978).
        """
        if not self.held_s:
            return math.inf
        return (train_s + self.alone_s + self.held_s) / self.held_s

    def most_workers(self, train_s: float, share: float) -> int:
        """Return how many workers lose no more than this share of their time; 0: not even one.

        `MOST_WORKERS` stands for at least as many.
        """
        shares = islice(self._lost_shares(train_s), MOST_WORKERS)
        return sum(1 for _ in takewhile(lambda lost: lost <= share, shares))


@dataclass(frozen=True)
class Growth:
    """How the cost of a trial grows with the trials that a study has: a straight line each."""

    held: tuple[float, float]
    """Seconds with no trial, and more for each."""
    alone: tuple[float, float]

    def at(self, n_trials: float) -> Cost:
        """Return the cost of a trial in a study that has so many."""
        at_s = (first + more * n_trials for first, more in (self.held, self.alone))
        return Cost(*(max(seconds, 0.0) for seconds in at_s))


def growth(points: Sequence[tuple[float, Cost]]) -> Growth:
    """Return the lines through costs that were measured at numbers of trials.

    Medians of slopes (Theil 1950; Sen 1968): a shared machine has moments that are no rule.
    """
    at = [n_trials for n_trials, _ in points]
    held = theilslopes([cost.held_s for _, cost in points], at, method="joint")
    alone = theilslopes([cost.alone_s for _, cost in points], at, method="joint")
    return Growth(
        (float(held.intercept), float(held.slope)), (float(alone.intercept), float(alone.slope))
    )


def cost_alone(result: Result) -> Cost:
    """Return what a whole trial costs in one run, on average."""
    costs = [cost_of(window, is_one=result["workers"] == 1) for window in result["windows"]]
    return Cost(mean(one.held_s for one in costs), mean(one.alone_s for one in costs))


def cost_of(window: Result, *, is_one: bool) -> Cost:
    """Return what a whole trial costs; one worker alone waits for its connection only.

    A pruned trial costs less, and lasts less: the ratio is what is kept.
    """
    alone_s = window["alone_s"] - (0 if is_one else window["waited_s"])
    return Cost(window["held_s"] / window["epochs"], max(0.0, alone_s) / window["epochs"])
