"""The command that evaluates, on models that were never trained and images of noise."""

from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from commands.errors import UserError
from mame_cnn.data.load import load_dataset
from mame_cnn.models.model import Model
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.evaluate.conftest import COUNTS, FILES, Run, metrics_of
from tests.mame_cnn.small_models import CPU


def test_a_validation_leaves_all_that_it_promises_and_no_trace_in_the_ledger(
    run: Path, ledger: Path, call: Run
) -> None:
    assert call(run) == 0
    names = {path.name for path in (run / "evaluation").iterdir()}
    assert {name for name in names if not name.startswith("gallery-")} == FILES
    assert "gallery-wrong.png" in names
    assert not ledger.parent.exists()


def test_the_figures_are_those_of_the_model_s_answers(
    run: Path, model: Model, data: Path, call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    val = load_dataset(str(data), 8, progress=False).val
    accuracy = accuracy_score(val.labels, model.probs(val.images, CPU).argmax(1))
    assert call(run) == 0
    metrics = metrics_of(run / "evaluation")
    assert metrics["scores"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert metrics["micro"]["f1"] == pytest.approx(accuracy)
    assert metrics["scores"]["macro_f1"]["low"] is not None
    assert metrics["scores"]["calibration_error"]["low"] is None
    printed = capsys.readouterr().out
    assert "validation of mame: 12 images" in printed
    assert f"accuracy (micro) {accuracy:11.1%}" in printed
    museums = pd.read_csv(run / "evaluation" / "museums.csv")
    assert list(museums["museum"]) == ["Louvre"]


def test_other_classes_are_refused_and_other_images_are_told(
    run: Path, tmp_path: Path, call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    swapped = Factory(tmp_path / "swapped").mame(COUNTS, labels=("clay", "bronze"))
    with pytest.raises(
        UserError, match=r"has the classes clay, bronze; .*trained on bronze, clay"
    ):
        call(run, "--data", str(swapped))
    fewer = Factory(tmp_path / "fewer").mame({**COUNTS, "val": {"bronze": 2, "clay": 2}})
    assert call(run, "--data", str(fewer)) == 0
    assert "was trained on data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--again", "because"), "--again: .*give --test as well"),
        (("--test", "--again", " \n"), "--again: the reason is empty"),
        (("--device", "tpu"), "--device tpu"),
    ],
)
def test_half_a_request_is_refused(
    run: Path, call: Run, options: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        call(run, *options)


def test_an_evaluation_overwrites_nothing(run: Path, call: Run) -> None:
    assert call(run) == call(run) == 0
    assert (run / "evaluation-again-01" / "metrics.json").is_file()
    with pytest.raises(UserError, match="nothing is overwritten"):
        call(run, "--out", str(run / "evaluation"))
