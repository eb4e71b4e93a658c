"""What an ensemble's making tells of the combiner that it uses."""

import io

import numpy as np
from rich.console import Console

from mame_cnn.ensembles.choice import Choice, choose
from mame_cnn.ensembles.summary import figures, say
from tests.mame_cnn.combining.made_up import members
from tests.mame_cnn.small_models import CLASSES, make_ensemble

PROBS, LABELS = members(np.array([1.0, 1.1, 0.9]), 40, len(CLASSES))
CORRECTED = "accuracy_corrected_for_choosing"


def chosen(combiner: str | None = None) -> Choice:
    return choose({"none": PROBS}, LABELS, seed=0, classes=CLASSES, combiner=combiner)


def told(choice: Choice) -> str:
    console = Console(file=io.StringIO(), width=200, soft_wrap=True)
    say(console, choice, make_ensemble().members)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_winner_of_several_is_corrected_for_its_luck() -> None:
    choice = chosen()

    assert choice.combination.name == choice.comparison.winner != "single"
    assert figures(choice)[CORRECTED] == choice.comparison.winner_corrected
    assert f"{choice.comparison.winner_corrected:.1%} corrected for choosing" in told(choice)


def test_a_combiner_that_was_asked_for_has_had_no_luck_to_correct() -> None:
    for name in ("mean", chosen().comparison.winner):
        choice = chosen(name)

        assert choice.combination.name == name
        assert CORRECTED not in figures(choice)
        assert "corrected" not in told(choice)
        assert f"used: {name}, {choice.row.accuracy:.1%} out of fold, " in told(choice)
