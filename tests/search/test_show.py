import io
from pathlib import Path

import pytest
from rich.console import Console

import spaces
from commands.errors import exit_status
from search.show import main, show
from search.space import Choice, Float, Int, Question, Space, When

SPACE = Space(
    "Everything [bold]there is[/bold]",
    Question("16 overfits", "dropout helps", "two dense layers"),
    (
        Int("depth", 1, 3, source="MAMe experiments 1 to 6"),
        Choice("pool", ("max", "average"), source="[1]"),
        Float(
            "a_parameter_with_a_really_rather_long_name",
            0.2,
            0.5,
            step=0.1,
            when=(When("depth", at_least=2), When("pool", among=("max",))),
            source="a long reason " * 20,
        ),
    ),
    fixed={"width": 16},
    baselines=({"depth": 1, "pool": "max"},),
    epochs=7,
)


def printed(space: Space, width: int = 160) -> str:
    stream = io.StringIO()
    show(space, Console(file=stream, width=width, markup=False, highlight=False, emoji=False))
    return stream.getvalue()


def test_everything_that_is_declared_is_printed() -> None:
    text = printed(SPACE)

    for part in (
        "Everything [bold]there is[/bold]",
        "Previous observed state\n16 overfits",
        "Current hypothesis\ndropout helps",
        "Experimental set-up\ntwo dense layers",
        "MAMe experiments 1 to 6",
        "[1]",
        "a_parameter_with_a_really_rather_long_name",
        "0.2 to 0.5",
        "step 0.1",
        "max, average",
        "fixed: width = 16",
        "baseline 1: depth = 1, pool = max",
        "epochs: 7",
    ):
        assert part in text
    assert "depth >= 2 and pool is max" in " ".join(text.split())


def test_the_last_two_lines_are_digest_and_number_of_grid_points() -> None:
    lines = printed(SPACE).splitlines()

    # depth 1: two pools; depth 2 or 3: four drop rates with max, none with average.
    assert lines[-2:] == [f"digest: {SPACE.digest}", "grid points: 12"]


def test_a_continuous_parameter_is_named_as_the_reason_for_no_finite_grid() -> None:
    space = Space("A", SPACE.question, (Int("a", 1, 2), Float("lr", 1e-5, 0.1, log=True)))

    text = printed(space)

    assert text.splitlines()[-1] == "grid points: not finite: lr is continuous"
    assert "1e-05 to 0.1" in text


def test_a_narrow_terminal_shortens_no_name() -> None:
    text = printed(SPACE, width=80)

    assert "a_parameter_with_a_really_rather_long_name" in text
    assert "\u2026" not in text


def test_the_command_prints_a_sound_file(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([str(Path(spaces.__file__).parent / "dropout.py")])

    output = capsys.readouterr().out
    assert status == 0
    assert output.splitlines()[-1] == "grid points: 4"
    assert "\x1b" not in output


def test_the_command_ends_with_status_2_and_the_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.py"
    path.write_text("from search.space import *\nSPACE = Space('', Question('a', 'b', 'c'), ())\n")

    status = exit_status(lambda: main([str(path)]))

    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert "title: " in captured.err
    assert "declares nothing" in captured.err
