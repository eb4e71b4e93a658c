"""What a worker tells the process that started it: a line for each call of its display.

The lines are JSON texts after a record separator (RFC 7464), so that they are found among
whatever else a process prints.
"""

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, TextIO

from search.displays.display import Standing
from search.trainer import Record
from search.trials.outcome import Outcome
from search.trials.reading import Tally

_SEPARATOR = "\x1e"


class EventDisplay:
    """Sends what the engine tells to the process that shows it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def opened(self, standing: Tally) -> None:
        """Send nothing: whoever started this process has opened the study itself."""

    def said(self, line: str) -> None:
        """Send the line."""
        self._send("said", line)

    def warned(self, line: str) -> None:
        """Send the line; all workers find it out, and one line tells."""
        self._send("warned", line)

    def started(self, number: int) -> None:
        """Send the trial's number."""
        self._send("started", number)

    def trained(self, record: Record) -> None:
        """Send the epoch, without metrics."""
        self._send("trained", record.key, record.epoch, record.value, record.images_per_s)

    def ended(self, number: int, how: str, standing: Standing) -> None:
        """Send what became of the trial; how the study stands is read from the storage."""
        self._send("ended", number, how)

    def closed(self) -> None:
        """Send nothing: the outcome follows."""

    def came_to(self, outcome: Outcome) -> None:
        """Send why the search ended."""
        self._send("outcome", outcome.ended, outcome.message)

    def refused(self, message: str, status: int = 2) -> None:
        """Send why the process ends: a mistake that is the user's to mend, if the status is 2."""
        self._send("refused", message, status)

    def storage(self, is_away: bool, line: str) -> None:
        """Send that the storage is away, or back; all workers find it out, and one line tells."""
        self._send("storage", is_away, line)

    def _send(self, *event: Any) -> None:
        # Where nobody listens any more, `stop_with_parent` ends the search in good order.
        with suppress(BrokenPipeError):
            # One write, as signs of waiting come from another thread, and lines must stay whole.
            self._stream.write(f"{_SEPARATOR}{json.dumps(event)}\n")
            self._stream.flush()


def read_line(line: str) -> tuple[str, list[Any] | None]:
    """Return a line's plain text and its event; an incomplete event of a dead process is none."""
    text, _, event = line.partition(_SEPARATOR)
    return text.strip(), json.loads(event) if event.endswith("\n") else None


def stop_with_parent() -> None:
    """Interrupt this process as Ctrl-C would when the one that holds its stdin has ended.

    Also where that one ignores Ctrl-C, as background jobs of a script do: what a process ignores,
    its children ignore too.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        signal.pthread_kill(main_thread, signal.SIGINT)

    main_thread = threading.get_ident()
    threading.Thread(target=watch, daemon=True).start()
