import io
from functools import partial
from types import SimpleNamespace

import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from search.displays.display import (
    LineDisplay,
    LiveDisplay,
    QuietDisplay,
    make_display,
)
from search.displays.progress import Progress, duration, percent
from search.trials.reading import Tally
from tests.search.fake_trainer import FakeRecord


def _standing(n_complete: int, n_pruned: int = 0, best: float | None = None) -> Tally:
    trial = None if best is None else create_trial(state=TrialState.COMPLETE, value=best)
    if trial is not None:
        trial.number = 3
    return Tally(n_complete, n_pruned, 0, 0, trial)


def _terminal(width: int = 80) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=True, width=width, height=30, markup=False, color_system=None
    )
    return console, stream


def test_without_a_terminal_each_ended_trial_is_one_line() -> None:
    stream = io.StringIO()
    display = make_display("small", 50, 12, stream=stream)
    display.opened(_standing(10, 2, 0.5))
    display.started(12)
    display.trained(FakeRecord(12, 1, 0.4))
    display.trained(FakeRecord(12, 2, 0.7126, images_per_s=12345))
    display.trained(FakeRecord(12, 3, 0.6))
    display.ended(12, "complete", lambda: _standing(11, 2, 0.7126))
    display.closed()
    first, second = stream.getvalue().splitlines()
    assert first == "study small: 12 of 50 trials, best 50.0 % (trial 3)"
    assert " ".join(second.split()) == (
        "trial 12 epoch 3/12 71.3 % 1,000 images/s 13/50 best 71.3 % (trial 3) - left complete"
    )


def test_lines_are_flushed_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    stream = io.StringIO()
    monkeypatch.setattr(stream, "flush", lambda: flushed.append(stream.getvalue()))
    LineDisplay(Progress("small", 5, 8), stream).said("closed trial 3")
    assert flushed[-1] == "closed trial 3\n"


def test_a_terminal_shows_the_study_its_last_trials_and_the_best() -> None:
    console, stream = _terminal()
    display = LiveDisplay(Progress("small", 50, 12), console)
    display.opened(_standing(0))
    for number in range(10):
        display.started(number)
        display.trained(FakeRecord(number, 5, 0.1 * number))
        display.ended(number, "pruned", partial(_standing, 1, number, 0.3))
    display.closed()
    last = stream.getvalue().split("small")[-1]
    assert "10/50 trials" in last
    assert "best 30.0 % (trial 3)   1 complete, 9 pruned" in last
    rows = [line.split() for line in last.splitlines() if "5/12" in line]
    assert [row[0] for row in rows] == [str(number) for number in range(2, 10)]
    assert rows[1][-3:] == ["best", "so", "far"]
    assert rows[2][:5] == ["4", "5/12", "40.0", "40.0", "1,000"]


@pytest.mark.parametrize("width", [20, 40, 200])
def test_a_terminal_of_any_width_is_filled_and_not_overrun(width: int) -> None:
    display = LiveDisplay(Progress("a-study-of-a-long-name", 50, 12), _terminal(width)[0])
    display.opened(_standing(1, 1, 0.3))
    display.started(0)
    display.ended(0, "failed: RuntimeError: " + "long " * 40, lambda: _standing(2))
    display.closed()
    lines = _rendered(display, width)
    assert len(lines) == 5  # header, summary, the table's head and line, one trial
    assert all(len(line) <= width for line in lines)


def _rendered(display: LiveDisplay, width: int) -> list[str]:
    plain = Console(file=io.StringIO(), width=width, color_system=None)
    with plain.capture() as captured:
        plain.print(display._render())
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_trials_that_train_at_the_same_time_have_rows_and_a_speed_together(width: int) -> None:
    display = LiveDisplay(Progress("small", 50, 12), _terminal(width)[0])
    display.opened(_standing(0))
    display.started(0)
    display.trained(FakeRecord(0, 1, 0.2, images_per_s=700.0))
    display.started(1)
    display.trained(FakeRecord(1, 4, 0.4, images_per_s=400.0))
    display.trained(FakeRecord(0, 2, 0.3, images_per_s=800.0))
    _, summary, together, _, _, *rows, below = _rendered(display, width)
    display.closed()
    assert below.strip() == ""
    assert summary.split() == ["best", "-", "0", "complete,", "0", "pruned"]
    assert together.strip() == "2 in training, 1,200 images/s together"
    assert [row.split() for row in rows] == [
        ["0", "2/12", "30.0", "30.0", "800", "training"],
        ["1", "4/12", "40.0", "40.0", "400", "training"],
    ]


def test_no_trial_in_training_leaves_the_table_for_one_that_has_ended() -> None:
    progress = Progress("small", 50, 12)
    for number in range(20):
        progress.started(number)
        if number >= 10:
            progress.ended(number, "pruned", _standing(0, number))
    assert [row.number for row in progress.rows(12)] == [*range(10), 19]
    assert [row.number for row in progress.rows(4)] == [6, 7, 8, 9]
    progress.trained(FakeRecord(0, 7, 0.5))
    assert progress.row(0).epoch == 7


def test_what_is_shown_between_drawings_is_shown_in_the_end() -> None:
    console, stream = _terminal()
    display = LiveDisplay(Progress("small", 50, 12), console)
    display.opened(_standing(0))
    display.started(0)
    for epoch in range(1, 13):
        display.trained(FakeRecord(0, epoch, 0.5))
    display.closed()
    assert "12/12" in stream.getvalue()
    assert stream.getvalue().count("trial   epoch") < 12


def test_what_is_said_on_a_terminal_is_no_markup() -> None:
    console, stream = _terminal()
    display = LiveDisplay(Progress("small", 50, 12), console)
    display.opened(_standing(0))
    display.said("kernel [3, 3] :smile:")
    display.closed()
    assert "kernel [3, 3] :smile:" in stream.getvalue()


def test_the_time_left_is_what_this_run_takes_for_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("search.displays.progress.time", SimpleNamespace(monotonic=lambda: now_s))
    progress = Progress("small", total=50, epochs=12)
    progress.opened(_standing(30))
    assert progress.left_s() is None
    now_s = 140.0
    progress.ended(31, "complete", _standing(32))
    assert progress.left_s() is None  # one full trial says little of pruned ones
    now_s = 160.0
    progress.ended(32, "complete", _standing(33))
    assert progress.left_s() == 20.0 * 17  # 3 trials in 60 s, 17 to go


def test_the_display_fits_its_surroundings() -> None:
    assert isinstance(make_display("s", 1, 1, is_quiet=True), QuietDisplay)
    assert isinstance(make_display("s", 1, 1, stream=io.StringIO()), LineDisplay)


def test_quiet_warns_on_stderr_of_what_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    make_display("small", 50, 12, is_quiet=True).warned("files are not kept")
    assert capsys.readouterr() == ("", "warning: files are not kept\n")


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    display = make_display("small", 50, 12, is_quiet=True)
    display.opened(_standing(0))
    display.said("something")
    display.started(0)
    display.trained(FakeRecord(0, 1, 0.5))
    display.ended(0, "complete", lambda: _standing(1))
    display.closed()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "-"),
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3600, "60 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float | None, expected: str) -> None:
    assert duration(seconds) == expected


def test_shares_are_shown_as_per_cent_with_one_decimal() -> None:
    assert [percent(share) for share in (None, 0.0, 0.71261, 1.0)] == ["-", "0.0", "71.3", "100.0"]
