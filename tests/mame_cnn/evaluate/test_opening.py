"""Opening the test set: on record, once, and again only for a reason."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from commands.errors import UserError, exit_status
from mame_cnn import evaluate
from mame_cnn.data.load import load_test
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.evaluate.conftest import CLASSES, COUNTS, Run, metrics_of
from tests.mame_cnn.small_models import CPU, make_model


def test_opening_the_test_set_is_recorded_with_its_score(
    run: Path, model: Model, data: Path, ledger: Path, call: Run
) -> None:
    assert call(run, "--test") == 0
    test = load_test(str(data), 8, progress=False)
    accuracy = accuracy_score(test.labels, model.probs(test.images, CPU).argmax(1))
    [line] = ledger.read_text().splitlines()
    entry = json.loads(line)
    assert entry["score"] == {"accuracy": pytest.approx(accuracy), "n_images": 10}
    assert entry["model"]["weights_digests"] == [model.weights_digest]
    assert entry["model"]["config_digests"] == [model.config.digest]
    probabilities = pd.read_csv(run / "evaluation-test" / "probabilities.csv")
    assert list(probabilities["image"]) == list(test.names)
    card = (run / "evaluation-test" / "model_card.md").read_text()
    assert "On validation images" in card
    assert "On test images" in card


def test_a_second_opening_is_refused_before_an_image_is_opened(
    run: Path,
    ledger: Path,
    call: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(run, "--test") == 0
    before = ledger.read_bytes()
    monkeypatch.setattr(evaluate, "load_test", lambda *_, **__: pytest.fail("opened"))
    assert exit_status(lambda: call(run, "--test")) == 2
    refusal = capsys.readouterr().err
    assert "opened already" in refusal
    assert str(run) in refusal
    assert ledger.read_bytes() == before
    assert not list(run.glob("evaluation-test-again*"))


def test_the_same_test_set_elsewhere_and_at_another_size_is_the_same(
    run: Path, tmp_path: Path, call: Run
) -> None:
    assert call(run, "--test") == 0
    elsewhere = Factory(tmp_path / "elsewhere").mame(COUNTS)
    larger = tmp_path / "larger"
    larger.mkdir()
    write_model(larger / WEIGHTS, make_model(classes=CLASSES, image_size=16))
    with pytest.raises(UserError, match="opened already"):
        call(larger, "--test", "--data", str(elsewhere))


def test_a_reason_opens_it_again_and_every_later_report_repeats_it(
    run: Path, call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(run, "--test") == 0
    assert call(run, "--test", "--again", "labels\n were mended") == 0
    capsys.readouterr()
    assert call(run) == 0
    assert "opened 2 times" in (printed := capsys.readouterr().out)
    assert "again: labels were mended" in printed
    for folder in ("evaluation", "evaluation-test-again-01"):
        assert "labels were mended" in (run / folder / "model_card.md").read_text()
        openings = metrics_of(run / folder)["openings"]
        assert [opening["reason"] for opening in openings] == [None, "labels were mended"]


def test_nothing_is_shown_or_kept_if_the_ledger_cannot_be_written_to(
    run: Path, tmp_path: Path, call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(lambda: call(run, "--test", "--ledger", str(tmp_path))) == 2
    output = capsys.readouterr()
    assert "Is a directory" in output.err
    assert "accuracy" not in output.out
    assert not (run / "evaluation-test").exists()


def test_a_damaged_ledger_is_refused_before_an_image_is_opened(
    run: Path, ledger: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.parent.mkdir()
    ledger.write_text("nonsense\n")
    monkeypatch.setattr(evaluate, "load_test", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(UserError, match="damaged; nothing was opened:\n  line 1"):
        call(run, "--test", "--again", "because")
    assert ledger.read_text() == "nonsense\n"


def test_data_without_a_test_split_leave_the_ledger_as_it_was(
    run: Path, tmp_path: Path, ledger: Path, call: Run
) -> None:
    counts = {split: COUNTS[split] for split in ("train", "val")}
    folder = str(Factory(tmp_path / "other").mame(counts))
    with pytest.raises(UserError, match="has no test split; nothing was opened"):
        call(run, "--test", "--data", folder)
    assert not ledger.exists()
    assert call(run, "--data", folder) == 0


def test_a_network_whose_weights_are_not_numbers_opens_nothing(
    run: Path, model: Model, ledger: Path, call: Run
) -> None:
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    next(iter(state.values())).fill_(math.nan)
    write_model(run / WEIGHTS, replace(model, state=state))
    with pytest.raises(UserError):
        call(run, "--test")
    assert not ledger.exists()
