"""Ctrl-C at safe moments: never between two writes that belong together."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held() -> Iterator[None]:
    """Hold Ctrl-C back until the block has ended; a second one breaks in at once.

    Training is interrupted where it stands; only bookkeeping, which takes milliseconds, is held.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    n_signals = 0

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal n_signals
        n_signals += 1
        if n_signals > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if n_signals:
        raise KeyboardInterrupt
