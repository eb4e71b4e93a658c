"""Reaching a Ray cluster, and what room it has for workers.

Ray is an extra: it is imported here, by whoever asks for it, and nowhere else.
"""

import importlib
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from commands.errors import UserError
from search.workers.shares import n_usable_cores

_LOOPBACK = "127.0.0.1"
_PATIENCE_S = 10.0
"""For a connection to the address; Ray itself tries for minutes where nobody listens."""
_BY_THEMSELVES = ("auto", "local")


@dataclass(frozen=True)
class Need:
    """What one worker gets of a node."""

    cpus: int
    gpus: float
    """Of one GPU: 1, or a share of it; 0: the worker trains on the CPU."""

    @property
    def device(self) -> str:
        """Where a worker trains; Ray shows it no GPU but its own."""
        return "cuda" if self.gpus else "cpu"

    def __str__(self) -> str:
        cpus = f"{self.cpus} CPU" if self.cpus == 1 else f"{self.cpus} CPUs"
        return f"{cpus} and {self.gpus:g} GPU" if self.gpus else cpus


@dataclass(frozen=True)
class Cluster:
    """A cluster that is connected."""

    ray: Any
    """The module, which is the connection."""

    def nodes(self) -> list[Mapping[str, float]]:
        """Return what each living node has in all, whoever uses it now."""
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def room(self, need: Need) -> int:
        """Return for how many workers the nodes are large enough."""
        return sum(_places(node, need) for node in self.nodes())

    def need(self, device: str, gpus: float | None, cpus: int | None) -> Need:
        """Return what a worker gets; raises `UserError` where no node has it.

        Args:
            device: `auto`, `cpu` or `cuda`.
            gpus: of one GPU; None: a whole one where there are any.
            cpus: None: one.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise UserError(
                f"--device {device}: on Ray one of auto, cpu, cuda; Ray says which GPU is whose"
            )
        if device == "cpu" and gpus:
            raise UserError(f"--gpus-per-worker {gpus:g}: not with --device cpu")
        if device == "cuda" and gpus == 0:
            raise UserError("--gpus-per-worker 0: not with --device cuda")
        if gpus is None:
            has_gpus = any(node.get("GPU") for node in self.nodes())
            gpus = 1.0 if device == "cuda" or (device == "auto" and has_gpus) else 0.0
        need = Need(cpus or 1, gpus)
        if not self.room(need):
            raise UserError(f"--engine ray: a worker needs {need}, and {self._largest()}")
        return need

    def _largest(self) -> str:
        """Say what the nodes have."""
        nodes = self.nodes()
        listed = ", ".join(
            f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes[:8]
        )
        more = f" and {len(nodes) - 8} more" if len(nodes) > 8 else ""
        return f"no node of the cluster has that; there are {len(nodes)}: {listed}{more}"


@contextmanager
def reached(address: str | None, say: Callable[[str], None]) -> Iterator[Cluster]:
    """Connect to a cluster while the block runs; `UserError` where none can be reached.

    Args:
        address: `HOST:PORT`; `auto` for the one that runs here or that $RAY_ADDRESS names;
            `local` for one of this process's own, on this machine alone; None for the
            running one, else one of its own.
    """
    ray = _ray()
    try:
        _connect(ray, address, say)
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _ray() -> Any:
    # Nothing is reported to Ray's makers, also not by a cluster that starts here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UserError(
            "--engine ray: Ray is not installed; pip install 'mame-cnn-search[cluster]'"
        ) from error


def _connect(ray: Any, address: str | None, say: Callable[[str], None]) -> None:
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    named = address or os.environ.get("RAY_ADDRESS") or "auto"
    if named not in _BY_THEMSELVES:
        _check(named, "--address" if address else "$RAY_ADDRESS")
    if named != "local":
        try:
            ray.init(address=named, **quiet)
            return
        except ConnectionError as error:
            if named != "auto" or address:
                raise UserError(
                    f"--address {named}: no cluster is found from here, or it wants a token "
                    "(RAY_AUTH_MODE=token); `ray start --head` starts one, and the search runs on "
                    "one of its nodes"
                ) from error
        except (RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise UserError(f"--address {named}: {_why(error)}") from error
        say("no Ray cluster runs here: one is started for this search, on this machine alone")
    # Else Ray takes 127.0.0.1 for the machine's own address, and listens on all that it has.
    constants: Any = importlib.import_module("ray._private.ray_constants")
    constants.ENABLE_RAY_CLUSTER = False
    ray.init(
        address="local",
        num_cpus=n_usable_cores(),
        include_dashboard=False,  # which has no login
        _node_ip_address=_LOOPBACK,
        **quiet,
    )


def _check(address: str, option: str) -> None:
    """Raise `UserError` where nobody listens."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(f"{option} {address}: expected auto, local or HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise UserError(
            f"{option} {address}: nobody answers: {error.strerror or error}"
        ) from error


def _places(node: Mapping[str, float], need: Need) -> int:
    """Return for how many workers a node is large enough."""
    places = int(node.get("CPU", 0) // need.cpus)
    if not need.gpus:
        return places
    # A share does not reach across two GPUs.
    return min(places, int(node.get("GPU", 0)) * int(1 / need.gpus + 1e-9))


def _why(error: Exception) -> str:
    """Say why a cluster cannot be used, as that it runs another version of Ray or of Python."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
