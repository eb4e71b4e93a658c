"""An ensemble's folder holds what belongs to one ensemble, whenever its making is cut short."""

from pathlib import Path

import pytest
import torch

from mame_cnn.data.load import load_dataset
from mame_cnn.ensemble import make_ensemble
from mame_cnn.ensembles import making as ensemble_making
from mame_cnn.ensembles.making import Wishes
from mame_cnn.ensembles.members import Recipe
from mame_cnn.models.answers import OUT_OF_FOLD, val_answer
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.ensemble_file import ENSEMBLE, write_ensemble
from mame_cnn.models.opening import open_model
from tests.mame_cnn.factory import make_config

DIGITS = load_dataset("digits", 8)


def make(folder: Path, combiner: str) -> Ensemble:
    config = make_config(image_size=8, batch_size=64, epochs=1)
    recipes, wishes = [Recipe("01", config, {})], Wishes(combiner)
    return make_ensemble(
        recipes, DIGITS, folder, seeds=2, wishes=wishes, device="cpu", is_quiet=True
    )


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make(tmp_path, "mean")
    return tmp_path


@pytest.mark.parametrize("is_written", [False, True])
def test_one_ensemble_is_never_beside_what_another_said_out_of_fold(
    is_written: bool, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(folder: Path, ensemble: Ensemble) -> None:
        if is_written:
            write_ensemble(folder, ensemble)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(ensemble_making, "write_ensemble", killed)
        with pytest.raises(SystemExit):
            make(made, "geometric")

    left = open_model(made)
    assert isinstance(left, Ensemble)
    assert left.combination.name == ("geometric" if is_written else "mean")
    said = val_answer(made, left, DIGITS, torch.device("cpu"), torch.float32)
    assert said.note.startswith("Too good")
    make(made, "geometric")
    again = val_answer(made, left, DIGITS, torch.device("cpu"), torch.float32)
    assert again.note.startswith("Out of fold")


def test_what_is_about_an_earlier_ensemble_goes_and_openings_of_the_test_set_stay(
    made: Path,
) -> None:
    (made / "model.onnx").write_bytes(b"of the earlier one")
    (made / "evaluation" / "earlier.html").write_text("")
    (made / "evaluation-test").mkdir()

    make(made, "geometric")

    assert sorted(path.name for path in made.iterdir() if path.name != ".lock") == [
        "combiners.csv",
        ENSEMBLE,
        "evaluation",
        "evaluation-test",
        "members",
        "members.csv",
        OUT_OF_FOLD,
    ]
    assert not (made / "evaluation" / "earlier.html").exists()
