from dataclasses import replace
from pathlib import Path

import numpy as np

from mame_cnn.evaluating.ledger import OpenedData, OpenedModel, Opening, Score
from mame_cnn.evaluating.model_card import SplitFigures, model_card
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.model import Model
from mame_cnn.scoring.intervals import intervals
from mame_cnn.scoring.scores import scores
from tests.mame_cnn.small_models import make_ensemble, make_model

LABELS = np.array([0, 1, 2, 3, 0, 1, 2, 3])
PROBS = np.eye(4)[[0, 1, 2, 3, 0, 1, 3, 2]] * 0.6 + 0.1
FIGURES = SplitFigures(
    "validation", scores(PROBS, LABELS), intervals(PROBS, LABELS), "Measured out of fold."
)
DIGEST = "0123456789ab"
OPENING = Opening(
    when="2026-01-31T12:00:00+00:00",
    model=OpenedModel(
        kind="model", path="runs/a", config_digests=(DIGEST,), weights_digests=(DIGEST,)
    ),
    data=OpenedData(name="synthetic", digest=DIGEST),
    score=Score(accuracy=0.75, n_images=8),
    reason=None,
)


def card(model: Model | Ensemble, *openings: Opening) -> str:
    return model_card(model, Path("runs/best-01"), [FIGURES], openings)


def test_a_card_says_what_a_model_is_and_how_good_it_is() -> None:
    model = make_model(batch_norm="none")  # with it, not all numbers in the state are weights
    text = card(model)
    n_weights = sum(tensor.numel() for tensor in model.state.values())
    for expected in (
        "# Convolutional network for synthetic",
        f"{n_weights:,} weights",
        f"weights {model.weights_digest}",
        "Classes: bronze, clay, silk, wood.",
        "| 8 images | value | 95 % interval |",
        "| accuracy (micro) | 0.750 | 0.409 to 0.929 |",  # Wilson's interval of 6 in 8
        "Measured out of fold.",
        "torch 2",
        "python -m mame_cnn.predict runs/best-01",
    ):
        assert expected in text, expected


def test_a_card_of_an_ensemble_names_every_network_and_what_combining_brought() -> None:
    ensemble = make_ensemble(
        with_specialists=True,
        out_of_fold={"combiner": "mean", "gain_over_best_member": 0.0123, "n_folds": 5, "new": 1},
    )
    text = card(ensemble)
    for member in ensemble.networks:
        assert f"| {member.name} | {member.model.config.digest} |" in text
        assert member.model.weights_digest in text
    for line in (
        "- combiner: mean",
        "- gain in accuracy over the best member: 0.0123",
        "- folds: 5",
        "- new: 1",  # a figure that the card has no words for is not left out
    ):
        assert line in text
    assert "Ensemble of 2 networks" in text


def test_a_card_repeats_every_opening_of_the_test_set_with_its_reason() -> None:
    again = OPENING.model_copy(update={"reason": "a label was wrong"})
    text = card(make_model(), OPENING, again)
    assert "opened 2 times" in text
    assert "again: a label was wrong" in text
    assert "The ledger has none" in card(make_model())


def test_a_card_does_not_boast_of_validation_images_that_were_trained_on() -> None:
    ensemble = make_ensemble()
    assert "| 50.0% |" in card(ensemble)
    first, second = ensemble.members
    model = replace(first.model, provenance={"training": {"splits": "train+val"}})
    text = card(replace(ensemble, members=(replace(first, model=model), second)))
    assert text.count("| 50.0% |") == 1
    assert "only the test set can tell" in text
    assert "on train and validation images" in text


def test_names_cannot_break_the_page() -> None:
    model = replace(make_model(), classes=("a|b", "*c*", "d\n# e", "f"), data_name="<x>")
    text = card(model)
    assert r"a\|b, \*c\*, d \# e, f" in text
    assert r"for \<x\>" in text
