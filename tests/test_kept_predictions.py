"""What the one half of the house writes of a trial's predictions, and the other reads."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mame_cnn.cohorts import val_probabilities
from search import export, run
from search.files import predictions
from search.files.artifacts import Artifacts
from search.trials.reading import BEST_EPOCH

SPACE = """
from search.space import Float, Question, Space

SPACE = Space(
    title="Toy",
    question=Question(previous="Nothing.", hypothesis="It runs.", setup="Tiny networks."),
    parameters=(Float("lr", 1e-3, 1e-1, log=True),),
    fixed={"depth": 1, "width": 2, "pool_size": 8, "dense_width": 8, "batch_size": 128},
    epochs=3,
)
"""


def test_both_halves_call_the_file_by_the_same_name() -> None:
    assert val_probabilities.FILE == predictions.FILE


def test_every_complete_trial_leaves_the_predictions_of_its_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toy.py").write_text(SPACE)
    options = ("--data", "digits", "--device", "cpu", "--pruner", "none", "--quiet")
    assert run.main(["toy.py", "--trials", "3", "--cohort", "2", *options]) == 0

    storage = JournalStorage(JournalFileBackend("studies/journal.log"))
    trials = optuna.load_study(study_name="toy", storage=storage).get_trials()
    assert len(trials) == 3
    for trial in trials:
        content = Artifacts(Path("studies/artifacts")).read(trial, predictions.FILE)
        assert content is not None
        kept = predictions.read_predictions(content)
        assert kept.epoch == trial.user_attrs[BEST_EPOCH]
        # A near tie may fall the other way in half precision.
        assert 1 - kept.is_wrong.mean() == pytest.approx(trial.value, abs=1 / len(kept.labels))

    assert export.main(["toy", "--top", "2", "--diverse"]) == 0
    assert "chosen among" in capsys.readouterr().out
    assert len(list(Path("studies/toy/top").glob("*.toml"))) == 2
