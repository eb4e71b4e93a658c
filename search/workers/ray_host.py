"""What runs on a node of a Ray cluster: an actor that keeps one worker process.

The process is the one that `--workers` starts on a single machine. The actor holds its stdin, so
that the process ends in good order where the actor is ended.
"""

import importlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import StringIO
from queue import Empty, SimpleQueue

from search.displays.events import EventDisplay, read_line
from search.workers.worker import Command, Inbox, ProcessWorker

_LONGEST_ANSWER_S = 5.0
"""After which whoever listens is answered though there is nothing to tell."""
_LOOKS = 10
"""So often in the time after which it counts as hung, the process is looked at."""


class Host:
    """Starts a worker process where Ray has placed it, and tells what it says."""

    def __init__(self) -> None:
        self._inbox: Inbox = SimpleQueue()
        self._worker: ProcessWorker | None = None
        self._hang_limit_s = self._looked_s = 0.0
        self._starting = threading.Lock()
        self._interrupted: int | None = None
        """The signal of an interruption that came before there was a process."""

    def where(self) -> tuple[str, str]:
        """Return what Ray calls this node, and the name of the machine."""
        ray = importlib.import_module("ray")
        return ray.get_runtime_context().get_node_id(), socket.gethostname()

    def start(
        self,
        arguments: Sequence[str],
        n_threads: int,
        folder: str,
        environment: Mapping[str, str],
        hang_limit_s: float,
    ) -> str | None:
        """Start the process; return a line that refuses where it cannot be started.

        Args:
            arguments: for this machine's Python.
            folder: in which the process works.
            environment: variables in addition to those that Ray was started with.
            hang_limit_s: see `search.workers.worker.Worker.is_hung`.
        """
        try:
            os.chdir(folder)
        except OSError as error:
            stream = StringIO()
            EventDisplay(stream).refused(
                f"{folder}: {error.strerror}; all nodes must have this folder, or share it"
            )
            return stream.getvalue()
        os.environ.update(environment)
        # Ray blocks Ctrl-C in all that it starts, and a process has its parent's signal mask.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self._hang_limit_s, self._looked_s = hang_limit_s, time.monotonic()
        command = Command([sys.executable, *arguments], n_threads)
        with self._starting:
            self._worker = ProcessWorker(1, command, self._inbox)
            if self._interrupted is not None:
                self._worker.interrupt(self._interrupted)
        return None

    def hear(self) -> tuple[list[str], str | None]:
        """Return lines that the process has printed, and how it died if it has ended.

        Waits for the first line, for a few seconds.
        """
        assert self._worker is not None
        lines: list[str] = []
        with suppress(Empty):
            timeout_s: float = min(_LONGEST_ANSWER_S, self._hang_limit_s / _LOOKS)
            while True:
                _, line = self._inbox.get(timeout=0 if lines else timeout_s)
                if line is None:
                    return lines, self._worker.how_it_died()
                lines.append(line)
                if text := read_line(line)[0]:
                    self._worker.last_words = text
        self._look(self._worker)
        return lines, None

    def interrupt(self, number: int) -> None:
        """End the process in good order."""
        with self._starting:
            self._interrupted = number
            if self._worker is not None:
                self._worker.interrupt(number)

    def end_at_once(self) -> None:
        """Kill the process."""
        if self._worker is not None:
            self._worker.end_at_once()

    def _look(self, worker: ProcessWorker) -> None:
        """Kill the process if it hangs, looking now and then."""
        now = time.monotonic()
        if now - self._looked_s >= self._hang_limit_s / _LOOKS:
            self._looked_s = now
            if worker.is_hung(self._hang_limit_s):
                worker.end_at_once()
