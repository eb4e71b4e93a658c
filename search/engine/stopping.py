"""When a search is to end before its total: Ctrl-C, a signal, time, or someone elsewhere.

The epoch under way is finished, so that nothing of it is lost; only a second Ctrl-C, or an epoch
that takes longer than there is time for, breaks in.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

from optuna.study import Study

from search.engine.interrupts import SIGNALS

Reason = Literal["Ctrl-C", "SIGTERM", "timeout", "search.stop"]
"""What asked a search to end."""

STOP = "stop"
"""The study attribute that `search.stop` changes."""
GRACE_S = {"SIGTERM": 20.0, "timeout": 10.0}
"""How long the epoch under way may still take. Slurm kills 30 s after SIGTERM (its KillWait)."""
_BETWEEN_LOOKS_S = 2.0
"""At the study's attribute: a request need not be heard in the same epoch of milliseconds."""


class Stop:
    """Whether a search is to end, and why; asked after each epoch."""

    def __init__(
        self,
        study: Study,
        *,
        timeout_s: float | None = None,
        say: Callable[[str], None] = lambda line: None,
        request: str | None = None,
    ) -> None:
        """Begin.

        Args:
            timeout_s: how long the search may take.
            say: tells the user something in one line; called from another thread.
            request: what the study's attribute was when the search began.
        """
        self.reason: Reason | None = None
        self._study = study
        self._say = say
        self._request = request
        now = time.monotonic()
        self._deadline = None if timeout_s is None else now + timeout_s
        self._looked_s = self._asked_s = now

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear signals while the block runs; nothing is heard outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heard = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in heard:
            signal.signal(number, self._hear)
        if self._deadline is not None:
            self._break_in_after(self._deadline - time.monotonic() + GRACE_S["timeout"])
        try:
            yield
        finally:
            self._break_in_after(0)
            for number, listener in before.items():
                signal.signal(number, listener)

    def is_asked(self) -> bool:
        """Tell whether the search is to end now, at an epoch's end.

        Also where the next epoch, if it takes as long as the last one, would end too late.
        """
        now = time.monotonic()
        epoch_s, self._asked_s = now - self._asked_s, now
        if self.reason is None and self._deadline is not None and now + epoch_s > self._deadline:
            self.reason = "timeout"
        if self.reason is None and now - self._looked_s > _BETWEEN_LOOKS_S:
            self._looked_s = now
            if request(self._study) != self._request:
                self.reason = "search.stop"
        return self.reason is not None

    def ended(self) -> None:
        """Note that the search ends now: nothing need break in any more."""
        if threading.current_thread() is threading.main_thread():
            self._break_in_after(0)

    def began(self) -> None:
        """Note that an epoch begins after something else."""
        self._asked_s = time.monotonic()

    def wait(self) -> None:
        """Let a moment pass in which others may write to the study."""
        time.sleep(_BETWEEN_LOOKS_S)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.reason in ("Ctrl-C", "SIGTERM"):
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return  # systems send SIGTERM to all processes of a job, and they to one another
        self.reason = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        if self.reason == "SIGTERM":
            self._break_in_after(GRACE_S["SIGTERM"])
        at_once = "Ctrl-C again" if self.reason == "Ctrl-C" else "Ctrl-C"
        line = f"{self.reason}: the search ends with this epoch; {at_once} ends it at once"
        # By a thread: the display may be at work in this very moment.
        threading.Thread(target=self._say, args=(line,)).start()

    def _break_in_after(self, seconds: float) -> None:
        """Interrupt the epoch that takes longer; 0: do not."""
        if not hasattr(signal, "setitimer"):  # Windows
            return
        if seconds == 0:
            signal.setitimer(signal.ITIMER_REAL, 0)
            return
        signal.signal(signal.SIGALRM, self._break_in)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))

    def _break_in(self, number: int, frame: FrameType | None) -> None:
        self.reason = self.reason or "timeout"
        raise KeyboardInterrupt


def request(study: Study) -> str | None:
    """Return the last request to stop that was made of a study; None if there was none."""
    asked = study.user_attrs.get(STOP)
    return asked if isinstance(asked, str) else None
