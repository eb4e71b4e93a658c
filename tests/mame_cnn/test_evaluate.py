"""The command that evaluates, on models that were never trained and images of noise."""

import errno
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from commands.errors import UserError, exit_status
from mame_cnn import evaluate
from mame_cnn.data.load import load_dataset, load_test
from mame_cnn.evaluating import folder as evaluation_folder
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.ensemble_file import write_ensemble
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from mame_cnn.scoring.probabilities_file import write_probabilities
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.small_models import CPU, make_ensemble, make_model, write_members

CLASSES = ("bronze", "clay")
COUNTS = {
    "train": {"bronze": 4, "clay": 4},
    "val": {"bronze": 6, "clay": 6},
    "test": {"bronze": 3, "clay": 7},
}
FILES = {
    *("metrics.json", "classification_report.csv", "confused_pairs.csv", "museums.csv"),
    *("confusion_matrices.html", "confusion_matrices.png", "probabilities.csv", "model_card.md"),
}
Run = Callable[..., int]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Factory(tmp_path / "data").mame(COUNTS)


@pytest.fixture
def model(data: Path) -> Model:
    digest = load_dataset(str(data), 8, progress=False).digest
    return replace(make_model(classes=CLASSES), data_digest=digest, data_name="mame")


@pytest.fixture
def run(tmp_path: Path, model: Model) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write_model(folder / WEIGHTS, model)
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "studies" / "ledger.jsonl"


@pytest.fixture
def call(data: Path, ledger: Path) -> Run:
    def call(folder: Path, *options: str) -> int:
        fixed = ["--data", str(data), "--ledger", str(ledger), "--device", "cpu"]
        return evaluate.main([str(folder), *fixed, "--precision", "float32", *options])

    return call


def metrics_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content


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


def test_what_the_disk_has_no_room_for_after_an_opening_is_kept_elsewhere(
    run: Path, tmp_path: Path, ledger: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    write_text = Path.write_text

    def full(path: Path, *content: str, **options: str) -> int:
        if path.is_relative_to(run):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(path, *content, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="No space left on device; the evaluation is kept in"):
        call(run, "--test")
    assert len(ledger.read_text().splitlines()) == 1
    [rescued] = elsewhere.iterdir()
    assert {path.name for path in rescued.iterdir()} >= FILES


@pytest.mark.parametrize(
    "error", [RuntimeError("no such font"), MemoryError(), KeyboardInterrupt()]
)
def test_what_was_opened_is_told_and_kept_whatever_happens_to_its_pictures(
    run: Path,
    tmp_path: Path,
    ledger: Path,
    call: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(evaluation_folder, "confusions_png", fail)
    with pytest.raises(type(error)):
        call(run, "--test")
    assert len(ledger.read_text().splitlines()) == 1
    [rescued] = elsewhere.iterdir()
    kept = {"metrics.json", "probabilities.csv", "model_card.md", "confusion_matrices.html"}
    assert {path.name for path in rescued.iterdir()} >= kept
    printed = capsys.readouterr()
    accuracy = metrics_of(rescued)["scores"]["accuracy"]["value"]
    assert f"accuracy (micro) {accuracy:11.1%}" in printed.out
    assert f"the evaluation is kept in {rescued}" in printed.err
    assert [path.name for path in run.iterdir()] == [WEIGHTS]


def test_what_was_opened_is_kept_where_a_terminal_cannot_show_it(
    run: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnicodeEncodeError("ascii", "\u2028", 0, 1, "no such letter")

    monkeypatch.setattr(evaluate, "lines", fail)
    with pytest.raises(UnicodeEncodeError):
        call(run, "--test")
    assert {path.name for path in (run / "evaluation-test").iterdir()} >= FILES


def test_a_validation_that_is_stopped_leaves_nothing(
    run: Path, tmp_path: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation_folder, "confusions_png", stop)
    with pytest.raises(KeyboardInterrupt):
        call(run)
    assert not list(elsewhere.iterdir())
    assert [path.name for path in run.iterdir()] == [WEIGHTS]


def test_a_network_whose_weights_are_not_numbers_opens_nothing(
    run: Path, model: Model, ledger: Path, call: Run
) -> None:
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    next(iter(state.values())).fill_(math.nan)
    write_model(run / WEIGHTS, replace(model, state=state))
    with pytest.raises(UserError):
        call(run, "--test")
    assert not ledger.exists()


@pytest.fixture
def ensemble(tmp_path: Path, model: Model) -> tuple[Path, Ensemble]:
    base = make_ensemble()
    members = tuple(
        replace(
            member,
            model=replace(
                make_model(seed=seed, classes=CLASSES),
                data_digest=model.data_digest,
                data_name="mame",
            ),
        )
        for seed, member in enumerate(base.members)
    )
    made = replace(base, members=members)
    folder = tmp_path / "ensemble"
    write_members(folder, made)
    write_ensemble(folder, made)
    return folder, made


def test_an_ensemble_is_validated_out_of_fold(
    ensemble: tuple[Path, Ensemble], data: Path, call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = ensemble
    val = load_dataset(str(data), 8, progress=False).val
    probs = np.random.default_rng(0).dirichlet([1, 1], len(val.labels))
    write_probabilities(folder / "val_probabilities.csv", probs, val.labels, val.names, CLASSES)
    assert call(folder) == 0
    metrics = metrics_of(folder / "evaluation")
    accuracy = accuracy_score(val.labels, probs.argmax(1))
    assert metrics["scores"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert set(metrics["members"]) == {"member-1", "member-2"}
    printed = capsys.readouterr().out
    assert "Out of fold" in printed
    assert "member-2" in printed


def test_an_ensemble_without_out_of_fold_probabilities_is_said_to_look_too_good(
    ensemble: tuple[Path, Ensemble], call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(ensemble[0]) == 0
    assert "Too good" in capsys.readouterr().out


def test_an_ensemble_s_test_figures_are_of_its_combination_and_its_members(
    ensemble: tuple[Path, Ensemble], data: Path, ledger: Path, call: Run
) -> None:
    folder, made = ensemble
    assert call(folder, "--test") == 0
    test = load_test(str(data), 8, progress=False)
    expected = made.probs(test.images, CPU)
    table = pd.read_csv(folder / "evaluation-test" / "probabilities.csv")
    assert table.iloc[:, 2:].to_numpy() == pytest.approx(expected)
    entry = json.loads(ledger.read_text())
    assert entry["model"]["kind"] == "ensemble"
    assert len(entry["model"]["weights_digests"]) == 2


def test_validation_images_that_were_trained_on_are_said_to_flatter(
    run: Path, model: Model, call: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(run / WEIGHTS, replace(model, provenance={"training": {"splits": "train+val"}}))
    assert call(run) == 0
    assert "these images were trained on" in capsys.readouterr().out
