"""A worker on a node of a Ray cluster, as the process that asked for it sees it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.workers.ray_cluster import Cluster, Need
from search.workers.ray_host import Host
from search.workers.worker import Command, Inbox, Worker

_PASSED_ON = ("MAME_", "PG", "AWS_")
"""Begin the names of variables that workers get from here: passwords are among them, which stand
neither in a command line nor in what Ray keeps of an actor."""
_PAUSE_S = 1.0
_MOST_REFUSALS = 60
"""Places in a row that turn out to be none, as on a node that is lost and not yet missed, which
takes Ray's heartbeats some 20 seconds."""
_PATIENCE_S = 5.0
"""With an actor that is to kill its process, and may be cut off itself."""


@dataclass(frozen=True)
class Order:
    """What is asked of the cluster for each worker."""

    need: Need
    arguments: Callable[[], Sequence[str]]
    """Returns what Python is called with, once a worker has its place."""
    hang_limit_s: float
    name: str
    """Of the study, for `ray list actors`."""


class RayWorker(Worker):
    """An actor, from the wish for it to its end, and what is known of its process."""

    def __init__(
        self, number: int, command: Command, cluster: Cluster, order: Order, inbox: Inbox
    ) -> None:
        super().__init__(number, command)
        self.where: str | None = None
        """The machine on which it has its place; None as long as it waits for one."""
        self._node = ""
        self._how = ""
        self._ray, self._order = cluster.ray, order
        self._asking = threading.Lock()
        self._actor = self._ask_for_place()
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()

    @property
    def is_waiting(self) -> bool:
        """Whether the cluster has had no place for it yet."""
        return self.where is None

    def dismiss(self) -> None:
        """Take back the wish for a place."""
        with self._asking:
            self.is_stopping = True
            self._ray.kill(self._actor)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Tell the process to end its trials and itself; one that waits is dismissed."""
        if self.is_stopping:
            return
        if self.is_waiting:
            self.dismiss()
        else:
            self.is_stopping = True
            self._actor.interrupt.remote(int(number))

    def is_hung(self, limit_s: float) -> bool:
        """Say no: the actor looks itself, as it is there."""
        return False

    def kill(self) -> None:
        """End process and actor at once, and wait for their end, if the cluster answers."""
        self.end_at_once()
        self._reader.join(_PATIENCE_S)

    def end_at_once(self) -> None:
        """End process and actor; their end is told like any other."""
        if not self.is_waiting:
            self._ray.wait([self._actor.end_at_once.remote()], timeout=_PATIENCE_S)
        self._ray.kill(self._actor)

    def how_it_died(self) -> str:
        """Say how the process ended, or that its node was lost."""
        return self._how

    def _ask_for_place(self) -> Any:
        need = self._order.need
        # Several threads, as it listens to its process all the time.
        kind = self._ray.remote(
            num_cpus=need.cpus, num_gpus=need.gpus, max_concurrency=4, max_restarts=0
        )
        return kind(Host).options(name=f"{self._order.name} {self.number} {id(self)}").remote()

    def _read(self, inbox: Inbox) -> None:
        try:
            self._how = self._follow(inbox)
            self._ray.kill(self._actor)
        except self._ray.exceptions.RayError as error:
            self.is_lost = self._is_node_lost()
            self._how = f"its node is lost, on {self.where}" if self.is_lost else _reason(error)
        except Exception as error:
            self._how = _reason(error)
        finally:
            inbox.put((self, None))

    def _wait_for_place(self) -> tuple[str, str]:
        """Return the node and the machine where the actor is, as soon as it is anywhere."""
        n_refusals = 0
        while True:
            try:
                node, machine = self._ray.get(self._actor.where.remote())
                return str(node), str(machine)
            except self._ray.exceptions.ActorDiedError as error:
                n_refusals += 1
                if error.actor_init_failed or n_refusals == _MOST_REFUSALS:
                    raise
                time.sleep(_PAUSE_S)
                with self._asking:
                    if self.is_stopping:
                        raise
                    self._actor = self._ask_for_place()

    def _is_node_lost(self) -> bool:
        return any(
            node["NodeID"] == self._node and not node["Alive"] for node in self._ray.nodes()
        )

    def _follow(self, inbox: Inbox) -> str:
        """Pass on what the process says until it ends; return how that was."""
        self._node, self.where = self._wait_for_place()
        get, actor, order = self._ray.get, self._actor, self._order
        inbox.put((self, f"worker {self.number} is on {self.where}\n"))
        refusal = get(
            actor.start.remote(
                list(order.arguments()),
                order.need.cpus,
                os.getcwd(),
                _environment(os.environ),
                order.hang_limit_s,
            )
        )
        if refusal is not None:
            inbox.put((self, refusal))
            return "refused"
        while True:
            try:
                lines, how = get(actor.hear.remote())
            except self._ray.exceptions.ActorUnavailableError:  # which Ray may reach again
                time.sleep(_PAUSE_S)
                continue
            for line in lines:
                inbox.put((self, line))
            if how is not None:
                return str(how)


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a worker must have as this process has them."""
    return {name: value for name, value in own.items() if name.startswith(_PASSED_ON)}


def _reason(error: Exception) -> str:
    """Return the first sentence of Ray's last line, which is where the cause stands."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].partition(". ")[0] if lines else type(error).__name__
