"""A search whose workers are spread over a Ray cluster.

All that are wanted are asked for at once: Ray places as many as its nodes have room for, the
others as soon as a node joins, or is started by an autoscaler, which sees that they wait.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from optuna.trial import TrialState

from search.displays.display import Display
from search.studies.study import OpenStudy
from search.trials.outcome import Outcome, stopped
from search.trials.reading import unfinished
from search.workers.ray_cluster import Cluster, Need
from search.workers.ray_worker import Order, RayWorker
from search.workers.worker import DEFAULT_HANG_LIMIT_S, Command, Worker
from search.workers.workers import Workers

Arguments = Callable[[float], Sequence[str]]
"""What Python is called with for a worker that has so many seconds left."""


def run_on_ray(
    opened: OpenStudy,
    cluster: Cluster,
    arguments: Arguments,
    need: Need,
    n_workers: int,
    total: int,
    display: Display,
    *,
    timeout_s: float | None = None,
    hang_limit_s: float = DEFAULT_HANG_LIMIT_S,
) -> Outcome:
    """Run workers on the nodes of a cluster until all have ended, and say how the study stands.

    One whose process dies or whose node is lost is asked for again. Ctrl-C and SIGTERM end them in
    good order, with their epochs; a second one kills them. Nothing is left on the cluster.
    """
    workers = _RayWorkers(opened, display, cluster, arguments, need, timeout_s, hang_limit_s)
    display.opened(workers.standing())
    try:
        room = cluster.room(need)
        later = f"; the nodes have room for {room}, others join later" if room < n_workers else ""
        display.said(f"{n_workers} workers on Ray, each with {need}{later}")
        with workers.listening():
            workers.run([Command((), need.cpus)] * n_workers)
    except KeyboardInterrupt:
        return workers.stopped_outcome()
    finally:
        display.closed()
    return workers.outcome(total)


class _RayWorkers(Workers):
    """The workers that run or wait for a place."""

    def __init__(
        self,
        opened: OpenStudy,
        display: Display,
        cluster: Cluster,
        arguments: Arguments,
        need: Need,
        timeout_s: float | None,
        hang_limit_s: float,
    ) -> None:
        # Looked at every few seconds, for the end of the time.
        super().__init__(opened, display, min(hang_limit_s, 20.0))
        self._cluster = cluster
        self._until_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        self._order = Order(need, lambda: arguments(self._left_s()), hang_limit_s, opened.name)
        self._lost: set[int] = set()
        """Trials of workers that have died."""

    def outcome(self, total: int) -> Outcome:
        """Return what the search came to; also where no worker ever had a place."""
        if not self.told() and time.monotonic() > self._until_s:
            trials = self.opened.study.get_trials(deepcopy=False)
            message = stopped(self.opened.name, "timeout", len(unfinished(trials)))
            return Outcome(self.standing(), "timeout", message)
        return super().outcome(total)

    def make(self, number: int, command: Command) -> RayWorker:
        """Ask the cluster for a worker."""
        return RayWorker(number, command, self._cluster, self._order, self.inbox)

    def look(self) -> None:
        """Dismiss those that still wait when the time is over."""
        super().look()
        if time.monotonic() > self._until_s:
            self._dismiss()

    def bury(self, worker: Worker) -> None:
        """Dismiss those that wait, too, where there is nothing left to do."""
        if worker.has_died:
            self._lost |= worker.running
        super().bury(worker)
        if self._is_done():
            self._dismiss()

    def show(self, worker: Worker, event: Sequence[Any]) -> None:
        """Let the others go on where one node refuses."""
        if event[0] == "refused" and not worker.is_stopping and self._others_work(worker):
            worker.is_stopping = True  # another in its place would be refused as well
            self.display.said(f"worker {worker.number}: {event[1]}; the others go on")
            return
        super().show(worker, event)

    def _left_s(self) -> float:
        """Return for how long a worker that has its place now may search."""
        return max(0.0, self._until_s - time.monotonic())

    def _others_work(self, worker: Worker) -> bool:
        others = (other for other in self._placed() if other is not worker)
        return any(not other.is_stopping for other in others)

    def _placed(self) -> list[RayWorker]:
        return [w for w in self.alive if isinstance(w, RayWorker) and not w.is_waiting]

    def _dismiss(self) -> None:
        """Wait no longer for places."""
        for worker in self.alive:
            if isinstance(worker, RayWorker) and worker.is_waiting and not worker.is_stopping:
                worker.dismiss()

    def _is_done(self) -> bool:
        """Tell whether those that wait for a place would find nothing to do."""
        told = self.told()
        if not told or told.keys() & {"failures", "timeout", "search.stop"}:
            return bool(told)
        trials = self.opened.study.get_trials(deepcopy=False)
        left = {trial.number for trial in unfinished(trials)}
        left |= {trial.number for trial in trials if trial.state == TrialState.RUNNING}
        return not left & self._lost
