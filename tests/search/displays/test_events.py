import io
import os
import signal
import subprocess
import sys

import pytest

from search.displays.events import EventDisplay, read_line
from search.trials.outcome import Outcome
from search.trials.reading import Tally
from search.trials.records import PlainRecord
from tests.search.fake_trainer import FakeRecord

NOTHING = Tally(0, 0, 0, 0, None)


def test_what_a_display_is_told_arrives_as_events() -> None:
    stream = io.StringIO()
    display = EventDisplay(stream)
    display.opened(NOTHING)
    display.said('a "line"\nof two')
    display.started(3)
    display.trained(FakeRecord(3, 1, 0.25, {"train_loss": 2.0}, images_per_s=12.5))
    display.ended(3, "complete", lambda: NOTHING)
    display.closed()
    display.came_to(Outcome(NOTHING, "total", "study s: has 1 trials"))
    display.refused("no")
    display.refused("lost", 1)
    display.storage(True, "away")
    display.warned("files are not kept")
    texts, events = zip(*map(read_line, io.StringIO(stream.getvalue())), strict=True)
    assert not any(texts)
    assert events == (
        ["said", 'a "line"\nof two'],
        ["started", 3],
        ["trained", 3, 1, 0.25, 12.5],
        ["ended", 3, "complete"],
        ["outcome", "total", "study s: has 1 trials"],
        ["refused", "no", 2],
        ["refused", "lost", 1],
        ["storage", True, "away"],
        ["warned", "files are not kept"],
    )
    assert PlainRecord(*events[2][1:]) == PlainRecord(3, 1, 0.25, 12.5)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a warning\n", ("a warning", None)),
        ('["started", 3]\n', ('["started", 3]', None)),
        ('no newline\x1e["started", 3]\n', ("no newline", ["started", 3])),
        ('\x1e["started", 3', ("", None)),
        ("\n", ("", None)),
    ],
)
def test_events_are_told_from_what_else_is_printed(line: str, expected: object) -> None:
    assert read_line(line) == expected


def test_events_that_nobody_reads_are_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as raw:
        stream = io.TextIOWrapper(raw, write_through=True)
        EventDisplay(stream).started(1)
        stream.detach()


WAITS = """
import time
from search.displays.events import stop_with_parent
stop_with_parent()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_process_is_interrupted_when_its_parent_lets_go_of_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    command = [sys.executable, "-c", WAITS]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.stdin.close()
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait() == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_an_event_is_one_write_so_that_threads_leave_lines_whole() -> None:
    written: list[str] = []

    class Recording(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return super().write(text)

    display = EventDisplay(Recording())
    display.storage(True, "away")
    display.started(3)
    assert [read_line(text)[1] for text in written] == [["storage", True, "away"], ["started", 3]]
