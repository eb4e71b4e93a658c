"""Signals at safe moments: never between two writes that belong together."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGALRM")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""Those that end a search: Ctrl-C, a request from outside, time that is over."""


@contextmanager
def held() -> Iterator[None]:
    """Hold signals back until the block has ended, also by an error; Ctrl-C again breaks in.

    Only bookkeeping is held. Signals that nobody has asked to hear end the process as ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    heard: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if number not in heard:
            heard.append(number)
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in SIGNALS}
    listeners = {number: listener for number, listener in before.items() if callable(listener)}
    for number in listeners:
        signal.signal(number, remember)
    try:
        yield
    except KeyboardInterrupt:
        heard.clear()  # that is what they would come to
        raise
    finally:
        for number, listener in listeners.items():
            signal.signal(number, listener)
        for number in heard:
            listeners[signal.Signals(number)](number, None)
