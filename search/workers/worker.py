"""A worker of a search, as the process that asked for it sees it; here one of this machine."""

import os
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from search.hosts.out_of_memory import n_oom_kills
from search.trials.outcome import Ended

Inbox = SimpleQueue["tuple[Worker, str | None]"]
"""Lines as workers print them; None is the end of a worker."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Read when torch is imported, hence to be set before."""
DEFAULT_HANG_LIMIT_S = 600.0
_IDLE = 0.01
"""Share of a processor below which a process does nothing but, perhaps, beat its heart."""
_PROC = Path("/proc")


@dataclass(frozen=True)
class Command:
    """How to start a worker."""

    arguments: Sequence[str]
    n_threads: int


class Worker(ABC):
    """What is known of a worker, wherever it runs, and how to end it."""

    def __init__(self, number: int, command: Command) -> None:
        self.number = number
        self.command = command
        self.running: set[int] = set()
        """Its trials."""
        self.ended: Ended | None = None
        """Why its search ended, once it has told; None if it never does."""
        self.message = ""
        """The same for people."""
        self.is_stopping = False
        """Whether it was told to end."""
        self.is_lost = False
        """Whether the machine was lost on which it ran, which says nothing about the worker."""
        self.last_words = ""

    @property
    def has_died(self) -> bool:
        """Whether it has ended, or will, without being told to or telling why."""
        return self.ended is None and not self.is_stopping

    @abstractmethod
    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Tell it to end its trials and itself; only once, as a second time kills."""

    @abstractmethod
    def is_hung(self, limit_s: float) -> bool:
        """Tell whether it has told nothing and computed nothing for so long."""

    @abstractmethod
    def end_at_once(self) -> None:
        """End it; its end is told like any other."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once, and wait for its end."""

    @abstractmethod
    def how_it_died(self) -> str:
        """Say how it ended."""


class ProcessWorker(Worker):
    """A process of this machine."""

    def __init__(self, number: int, command: Command, inbox: Inbox) -> None:
        super().__init__(number, command)
        self._hung_s = 0.0
        self._n_oom_kills = n_oom_kills()
        self._active_s = self._looked_s = time.monotonic()
        self._processor_s: float | None = None
        self._process = subprocess.Popen(
            command.arguments,
            env=os.environ | dict.fromkeys(_THREADS, str(command.n_threads)),
            stdin=subprocess.PIPE,  # nothing is written: that it ends tells that we have
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            process_group=0,  # a terminal's Ctrl-C reaches us alone, who pass it on once
        )
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Tell the process to end its trials and itself; only once, as a second time kills."""
        if not self.is_stopping:
            self.is_stopping = True
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)  # to one that was suspended, too

    def is_hung(self, limit_s: float) -> bool:
        """Tell whether the process has told nothing and computed nothing for so long.

        Both, as an epoch may take hours. False where nobody tells what a process computes.
        """
        now, processor_s = time.monotonic(), self._processor_time()
        before_s, self._processor_s = self._processor_s, processor_s
        looked_s, self._looked_s = self._looked_s, now
        busy_s = _IDLE * (now - looked_s)
        if processor_s is None or before_s is None or processor_s - before_s > busy_s:
            self._active_s = now
        if now - looked_s > limit_s / 2:  # we were suspended, and it with us
            self._active_s = now
        if now - self._active_s < limit_s:
            return False
        self._hung_s = now - self._active_s
        return True

    def _processor_time(self) -> float | None:
        """Return the seconds that the process has computed so far; None where nobody tells."""
        try:
            text = (_PROC / str(self._process.pid) / "stat").read_text()
        except OSError:
            return None
        user, system = text.rpartition(")")[2].split()[11:13]  # man 5 proc
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End the process at once, and wait for its end."""
        self.end_at_once()
        self._reader.join()

    def end_at_once(self) -> None:
        """End the process; its end is told like any other."""
        self._process.kill()

    def how_it_died(self) -> str:
        """Say how the process ended, by the signal or by its last line."""
        status = self._process.returncode
        if status >= 0:
            return self.last_words or f"exit status {status}"
        if self._hung_s:
            return f"it hung: for {self._hung_s:.0f} s it told nothing and computed nothing"
        if -status == signal.SIGKILL and n_oom_kills() > self._n_oom_kills:
            return "killed by the system for want of memory"
        return signal.strsignal(-status) or f"signal {-status}"

    def _read(self, inbox: Inbox) -> None:
        with self._process:  # which closes its pipes and waits for it
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self._active_s = time.monotonic()
                inbox.put((self, line))
        inbox.put((self, None))
