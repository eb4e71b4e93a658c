"""What an ensemble's making tells of the combiner that it uses."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.special import softmax

from mame_cnn.combining.bootstrap import corrected_accuracy, resamples
from mame_cnn.ensembles.choice import Choice, choose
from mame_cnn.ensembles.summary import figures, say
from mame_cnn.evaluating.model_card import model_card
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
    own = choice.comparison
    counts = resamples(len(LABELS), seed=0)
    corrected = corrected_accuracy(own.right, own.losses, counts)
    assert figures(choice)[CORRECTED] == corrected
    assert f"{corrected:.1%} corrected for choosing" in told(choice)
    luck = max(0.0, choice.row.accuracy - corrected)
    assert figures(choice)["gain_low"] == choice.row.gain_low - luck


def test_a_model_card_has_words_for_every_figure() -> None:
    kept = figures(chosen())
    card = model_card(make_ensemble(out_of_fold=kept), Path("ensemble"), ())
    listed = re.findall(r"^- ([^:]+): ", card, re.MULTILINE)
    assert len(listed) >= len(kept)
    assert not [name for name in listed if "_" in name]


def test_views_that_were_chosen_among_are_luck_as_well() -> None:
    random = np.random.default_rng(0)
    known = 3 * np.eye(len(CLASSES))[LABELS]
    views = {
        name: softmax(known + random.normal(0, 3, (5, *known.shape)), axis=-1)
        for name in ("none", "flip", "crop")
    }
    choice = choose(views, LABELS, seed=0, classes=CLASSES)
    alone = choose({"none": views[choice.views]}, LABELS, seed=0, classes=CLASSES)
    assert choice.row == alone.row
    assert choice.corrected is not None
    assert alone.corrected is not None
    assert choice.corrected < alone.corrected

    asked = choose(views, LABELS, seed=0, classes=CLASSES, combiner="mean")
    assert asked.corrected is not None  # of three views one was chosen
    with_rivals = replace(alone, rivals=(choice.comparisons["flip"], choice.comparisons["crop"]))
    assert with_rivals.corrected is not None
    assert with_rivals.corrected < alone.corrected


def test_a_combiner_that_was_asked_for_has_had_no_luck_to_correct() -> None:
    for name in ("mean", chosen().comparison.winner):
        choice = chosen(name)

        assert choice.combination.name == name
        assert CORRECTED not in figures(choice)
        assert "corrected" not in told(choice)
        assert f"used: {name}, {choice.row.accuracy:.1%} out of fold, " in told(choice)
