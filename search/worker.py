"""One process of a search, as the process that started it sees it."""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from search.outcome import Ended

Inbox = SimpleQueue["tuple[Worker, str | None]"]
"""Lines as workers print them; None is the end of a worker."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Read when torch is imported, hence to be set before."""


@dataclass(frozen=True)
class Command:
    """How to start a worker."""

    arguments: Sequence[str]
    n_threads: int


class Worker:
    """A process that runs trials, and what is known of it."""

    def __init__(self, number: int, command: Command, inbox: Inbox) -> None:
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
        self.last_words = ""
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

    @property
    def has_died(self) -> bool:
        """Whether it has ended, or will, without being told to or telling why."""
        return self.ended is None and not self.is_stopping

    def interrupt(self) -> None:
        """Tell the process to end its trials and itself; only once, as a second time kills."""
        if not self.is_stopping:
            self.is_stopping = True
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._reader.join()

    def how_it_died(self) -> str:
        """Say how the process ended, by the signal or by its last line."""
        status = self._process.returncode
        if status >= 0:
            return self.last_words or f"exit status {status}"
        name = signal.strsignal(-status) or f"signal {-status}"
        return f"{name}, perhaps for want of memory" if -status == signal.SIGKILL else name

    def _read(self, inbox: Inbox) -> None:
        with self._process:  # which closes its pipes and waits for it
            assert self._process.stdout is not None
            for line in self._process.stdout:
                inbox.put((self, line))
        inbox.put((self, None))
