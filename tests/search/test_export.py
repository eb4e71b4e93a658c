import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from commands.errors import exit_status
from search.export import main
from search.space import Space
from search.trials.reading import ranked
from tests.search.fake_trainer import GRID, FakeTrainer
from tests.search.predicting import left_by
from tests.search.small_studies import opened_in, searched, trials_in


def _export(folder: Path, *arguments: str) -> int:
    storage = ["--storage", str(folder / "journal.log")]
    return exit_status(lambda: main([*arguments, *storage]))


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def _grid_study(folder: Path, total: int = 8, space: Space = GRID) -> None:
    searched(folder, total, space=space, trainer=FakeTrainer(epochs=2), sampler="grid")


def test_the_best_trial_comes_back_complete_with_its_provenance(tmp_path: Path) -> None:
    outcome = searched(tmp_path, 6)
    assert _export(tmp_path, "small") == 0
    document = _read(tmp_path / "small" / "best.toml")
    best = outcome.best
    assert best is not None
    provenance = document.pop("provenance")
    assert document == best.user_attrs["config"]
    assert provenance.pop("exported_with").keys() == {"python", "optuna"}
    assert provenance == {
        "study": "small",
        "trial": best.number,
        "state": "complete",
        "metric": "val_accuracy",
        "value": best.value,
        "best_epoch": 8,
        "n_trials": 6,
        "seed": best.user_attrs["seed"],
        "space_digest": opened_in(tmp_path).space.digest,
        "data_name": "digits",
        "data_source": "digits",
        "data_digest": "d" * 12,
        "environment": {"commit": "abc", "torch": "0"},
    }


def test_the_file_begins_with_the_command_that_trains_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 2)
    _export(tmp_path, "small")
    path = tmp_path / "small" / "best.toml"
    command = f"python -m mame_cnn.train {shlex.quote(str(path))}"
    assert path.read_text().splitlines()[1] == f"# Train it with: {command}"
    assert capsys.readouterr().out == f"{path}\n  {command}\n"


def test_one_trial_is_exported_by_its_number_also_a_pruned_one(tmp_path: Path) -> None:
    searched(tmp_path, 12, pruner="rungs")
    pruned = next(trial for trial in trials_in(tmp_path) if trial.state.name == "PRUNED")
    assert _export(tmp_path, "small", "--trial", str(pruned.number)) == 0
    provenance = _read(tmp_path / "small" / f"trial-{pruned.number}.toml")["provenance"]
    assert provenance["state"] == "pruned"
    assert provenance["value"] == max(pruned.intermediate_values.values())


def test_the_top_are_different_trials_best_first(tmp_path: Path) -> None:
    searched(tmp_path, 8)
    assert _export(tmp_path, "small", "--top", "3") == 0
    files = sorted((tmp_path / "small" / "top").iterdir())
    assert [file.name for file in files] == ["01.toml", "02.toml", "03.toml"]
    by_value = sorted(trials_in(tmp_path), key=lambda trial: trial.value or 0, reverse=True)
    numbers = [_read(file)["provenance"]["trial"] for file in files]
    assert numbers == [trial.number for trial in by_value[:3]]


def test_trials_of_equal_parameters_are_exported_once(tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=2)
    searched(tmp_path, 20, space=GRID, trainer=trainer, sampler="random")
    n_different = len({str(sorted(trial.params.items())) for trial in trials_in(tmp_path)})
    assert n_different < 20
    _export(tmp_path, "small", "--top", "20")
    assert len(list((tmp_path / "small" / "top").iterdir())) == n_different


def test_of_equal_values_the_earlier_stands_first_as_in_optuna(tmp_path: Path) -> None:
    trainer = FakeTrainer(epochs=3)
    trainer.curve = lambda params, epoch: 0.5
    searched(tmp_path, 4, trainer=trainer)
    assert [trial.number for trial in ranked(trials_in(tmp_path))] == [0, 1, 2, 3]
    _export(tmp_path, "small")
    assert _read(tmp_path / "small" / "best.toml")["provenance"]["trial"] == 0


def test_fewer_trials_than_asked_for_are_all_exported_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 2)
    assert _export(tmp_path, "small", "--top", "5") == 0
    told = capsys.readouterr().out
    assert "2 different complete trials, not 5" in told
    folder = tmp_path / "small" / "top"
    assert told.endswith(f"as an ensemble:\n  python -m mame_cnn.ensemble {folder}\n")
    assert len(list((tmp_path / "small" / "top").iterdir())) == 2


def test_a_smaller_top_leaves_nothing_of_a_larger_one_but_what_is_not_its_own(
    tmp_path: Path,
) -> None:
    searched(tmp_path, 5)
    folder = tmp_path / "members"
    _export(tmp_path, "small", "--top", "4", "--out", str(folder))
    (folder / "07.toml").write_text("mine = 1\n")
    (folder / "notes.txt").write_text("mine")
    _export(tmp_path, "small", "--top", "2", "--out", str(folder))
    left = sorted(file.name for file in folder.iterdir())
    assert left == ["01.toml", "02.toml", "07.toml", "notes.txt"]


def test_diverse_trials_err_on_different_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # All are equally good; 0 and 1 fail on the same images, 2 on others.
    trainer = FakeTrainer(
        epochs=1,
        curve=lambda params, epoch: 0.9,
        files=lambda member: left_by(range(50, 60) if member.key == 2 else range(10)),
    )
    searched(tmp_path, 3, trainer=trainer, artifacts=tmp_path / "kept")
    options = ("--top", "2", "--diverse", "--artifacts", str(tmp_path / "kept"))
    assert _export(tmp_path, "small", *options) == 0
    files = [tmp_path / "small" / "top" / name for name in ("01.toml", "02.toml")]
    assert [_read(file)["provenance"]["trial"] for file in files] == [0, 2]
    assert "chosen among 3 trials" in capsys.readouterr().out


def test_without_predictions_diverse_trials_are_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 3)
    options = ("--top", "2", "--diverse", "--artifacts", str(tmp_path / "none"))
    assert _export(tmp_path, "small", *options) == 2
    assert "none: without validation probabilities" in capsys.readouterr().err
    assert not (tmp_path / "small" / "top").exists()


def test_diverse_needs_a_number_of_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        _export(tmp_path, "small", "--diverse")
    assert caught.value.code == 2
    assert "--diverse says which trials --top K are" in capsys.readouterr().err


def test_out_is_the_file(tmp_path: Path) -> None:
    searched(tmp_path, 1)
    path = tmp_path / "deep" / "mine.toml"
    assert _export(tmp_path, "small", "--out", str(path)) == 0
    assert _read(path)["provenance"]["trial"] == 0
    assert [file.name for file in path.parent.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["smal"], "did you mean small? (there are small)"),
        (["small", "--trial", "9"], "study small: has no trial 9; its trials are 0 to 0"),
        (["small", "--out", "."], "--out .: is a folder"),
        (["small", "--top", "2", "--out", "FILE"], "is a file; --top writes a folder"),
        (["small", "--out", "FILE/best.toml"], "is a file, not a folder"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    searched(tmp_path, 1)
    (tmp_path / "FILE").write_text("")
    assert _export(tmp_path, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert expected in captured.err
    assert captured.out == ""


def test_a_missing_storage_is_not_made_by_asking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _export(tmp_path / "none", "small") == 2
    assert "no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_study_without_a_complete_trial_has_no_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(before_epoch=lambda member, epoch: "diverged"))
    for arguments in (["small"], ["small", "--top", "1"]):
        assert _export(tmp_path, *arguments) == 2
        assert "no trial is complete yet (1 pruned" in capsys.readouterr().err


def test_a_trial_without_a_configuration_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = opened_in(tmp_path).study
    study.tell(study.ask(), 0.5)
    assert _export(tmp_path, "small") == 2
    assert "trial 0 (complete) has no configuration" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--top", "0"], ["--trial", "-1"], ["--trial", "x"]])
def test_a_number_that_can_be_none_is_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        _export(tmp_path, "small", *arguments)
    assert caught.value.code == 2


def test_exporting_changes_nothing_in_the_study(tmp_path: Path) -> None:
    _grid_study(tmp_path)
    before = (tmp_path / "journal.log").read_bytes()
    _export(tmp_path, "small", "--top", "3")
    assert (tmp_path / "journal.log").read_bytes() == before
