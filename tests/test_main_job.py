"""The main job, as a person types it: search, continue, export, train; and what goes wrong."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from PIL import Image

from mame_cnn import train
from search import export, run
from search.workers.shares import n_usable_cores

ROOT = Path(__file__).parents[1]

TOY_SPACE = """
from search.space import Choice, Float, Int, Question, Space, When

SPACE = Space(
    title="Toy",
    question=Question(previous="Nothing.", hypothesis="It runs.", setup="Tiny networks."),
    parameters=(
        Int("depth", 1, 3),
        Choice("pool_size", (4, 8)),
        Float("l2_2", 1e-6, 1e-2, log=True, when=When("depth", at_least=2)),
        Float("drop_rate", 0.0, 0.5),
        Float("lr", 1e-3, 1e-1, log=True),
    ),
    fixed={"width": 2, "width_growth": 1.0, "dense_width": 8, "batch_size": 128},
    epochs=2,
)
"""


GRID_SPACE = """
from search.space import Float, Question, Space

SPACE = Space(
    title="Toy grid",
    question=Question(previous="Nothing.", hypothesis="It ends.", setup="Tiny networks."),
    parameters=(Float("lr", 0.01, 0.03, step=0.01),),
    fixed={"depth": 1, "width": 2, "pool_size": 8, "dense_width": 8, "batch_size": 128},
    epochs=1,
)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder with a toy space and no data of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAME_DATA", raising=False)
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "toy.py").write_text(TOY_SPACE)
    return tmp_path


def search(*arguments: str) -> int:
    return run.main(["toy.py", "--device", "cpu", *arguments])


def load(name: str = "toy", journal: str = "studies/journal.log") -> Study:
    return optuna.load_study(study_name=name, storage=JournalStorage(JournalFileBackend(journal)))


def trials(study: Study) -> list[tuple[dict[str, object], float | None, dict[int, float]]]:
    return [(t.params, t.value, t.intermediate_values) for t in study.get_trials()]


@pytest.mark.usefixtures("home")
def test_a_person_searches_exports_and_trains(capsys: pytest.CaptureFixture[str]) -> None:
    assert search("--trials", "4") == 0
    printed = capsys.readouterr().out
    assert "embedded digits" in printed
    assert "--data DIR" in printed
    best = load().best_trial
    assert f"best: trial {best.number}" in printed
    commands = [line.strip() for line in printed.partition("next:")[2].splitlines() if line]
    assert commands == [
        "python -m search.dashboard",
        "python -m search.report toy",
        "python -m search.export toy",
        "python -m mame_cnn.train studies/toy/best.toml",
    ]
    assert Path("studies/artifacts").is_dir()

    assert export.main(commands[2].split()[3:]) == 0
    exported = tomllib.loads(Path("studies/toy/best.toml").read_text())
    assert exported["provenance"]["trial"] == best.number
    assert exported["training"]["optimizer"]["lr"] == best.params["lr"]

    assert train.main([*commands[3].split()[3:], "--device", "cpu"]) == 0
    # The same configuration, seed and data on the same machine: the very same training.
    printed = capsys.readouterr().out
    assert f"in the search it had {best.value:.1%}: a gap of +0.0 points" in printed


@pytest.mark.usefixtures("home")
def test_values_are_the_best_epochs_and_steps_count_from_1() -> None:
    assert search("--trials", "3", "--pruner", "none", "--quiet") == 0
    for trial in load().get_trials():
        assert list(trial.intermediate_values) == [1, 2]
        assert trial.value == max(trial.intermediate_values.values())


@pytest.mark.usefixtures("home")
def test_no_trial_has_a_map_below_one_pixel() -> None:
    assert search("--trials", "8", "--quiet", "--sampler", "random", "--epochs", "1") == 0
    for trial in load().get_trials():
        assert trial.params["pool_size"] ** trial.params["depth"] <= 32
        assert ("l2_2" in trial.params) == (trial.params["depth"] >= 2)


@pytest.mark.usefixtures("home")
def test_2_and_3_trials_equal_5_at_once() -> None:
    options = ("--sampler", "random", "--pruner", "none", "--quiet")
    assert search("--trials", "2", *options) == 0
    assert search("--trials", "5", *options) == 0
    assert search("--trials", "5", *options, "--storage", "at-once/journal.log") == 0
    assert len(load().get_trials()) == 5
    assert trials(load()) == trials(load(journal="at-once/journal.log"))


def test_a_space_that_can_be_tried_whole_is_a_grid_and_ends_with_its_last_point(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "toy.py").write_text(GRID_SPACE)
    assert search("--trials", "10") == 0
    assert sorted(trial.params["lr"] for trial in load().get_trials()) == [0.01, 0.02, 0.03]
    printed = capsys.readouterr().out
    assert "grid is exhausted" in printed
    assert "0 of 3 trials" in printed


@pytest.mark.usefixtures("home")
def test_a_study_is_not_continued_on_other_data_or_another_budget(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert search("--trials", "1", "--quiet") == 0
    before = trials(load())
    for arguments, expected in [
        (["--image-size", "16"], "image_size"),
        (["--epochs", "3"], "epochs"),
    ]:
        assert command("search.run", "toy.py", "--trials", "2", *arguments) == 2
        message = capsys.readouterr().err
        assert expected in message
        assert "--study" in message
    assert trials(load()) == before


def test_class_folders_without_val_are_searched(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    for split, n_images in (("train", 20), ("test", 2)):
        for number, name in enumerate(("dark", "light")):
            folder = home / "images" / split / name
            folder.mkdir(parents=True)
            for image in range(n_images):
                pixels = random.integers(120 * number, 120 * number + 120, (40, 30, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{image}.png")
    arguments = ("--data", "images", "--image-size", "32", "--trials", "2")
    assert search(*arguments) == 0
    printed = capsys.readouterr().out
    assert "val" in printed
    assert "embedded" not in printed


def command(module: str, *arguments: str) -> int:
    """Run a command as a process, with its output passed on to this one's."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


@pytest.mark.slow
@pytest.mark.usefixtures("home")
@pytest.mark.skipif(n_usable_cores() < 2, reason="needs a core for each worker")
def test_two_workers_share_a_study_and_its_outcome_is_printed_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--device", "cpu", "--workers", "2", "--trials", "5")
    assert command("search.run", *options, "--", "toy.py") == 0
    assert len(load().get_trials()) == 5
    printed, complaints = capsys.readouterr()
    assert "2 workers" in printed
    for line in ("embedded digits", "study toy: has 5 trials\n", "best: trial", "next:"):
        assert printed.count(line) == 1
    assert complaints == ""


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("module", "arguments", "expected"),
    [
        ("search.run", ["toy.py", "--trials", "0"], "at least 1"),
        ("search.run", ["toy.py", "--seed", "9" * 26], "--seed"),
        ("search.run", ["toy.py", "--study", "a/b"], "--study 'a/b'"),
        ("search.run", ["infeasible.py"], "nothing in this space can be trained here: block 2"),
        ("search.run", ["none.py"], "none.py"),
        ("search.run", ["broken.py"], "broken.py:2: syntax error"),
        ("search.run", ["misspelt.py"], "did you mean width"),
        ("search.run", ["illegal.py"], "kernel_size: must be odd, got 4"),
        ("search.run", ["toy.py", "--artifacts", "toy.py"], "toy.py"),
        ("search.run", ["toy.py", "--data", "no/such/folder"], "no/such/folder"),
        ("search.run", ["toy.py", "--image-size", "2"], "image size 2"),
        ("search.run", ["toy.py", "--device", "tpu"], "--device tpu"),
        ("search.run", ["toy.py", "--device", "cuda:99"], "--device cuda:99"),
        ("search.run", ["toy.py", "--device", "cpu", "--workers", "4096"], "--workers 4096"),
        ("search.run", ["toy.py", "--sampler", "grid"], "lr"),
        ("search.export", ["toy"], "studies/journal.log"),
        ("mame_cnn.train", ["none.toml"], "none.toml"),
    ],
)
def test_a_mistake_gives_one_message_and_status_2(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    module: str,
    arguments: list[str],
    expected: str,
) -> None:
    (home / "broken.py").write_text("SPACE = 1\nSPACE = = 2\n")
    misspelt = TOY_SPACE.replace('"width": 2', '"widht": 2')
    (home / "misspelt.py").write_text(misspelt)
    illegal = TOY_SPACE.replace(
        'Int("depth", 1, 3)', 'Int("depth", 1, 3), Int("kernel_size", 3, 5)'
    )
    (home / "illegal.py").write_text(illegal)
    infeasible = GRID_SPACE.replace('"depth": 1', '"depth": 2')
    (home / "infeasible.py").write_text(infeasible)
    assert command(module, *arguments) == 2
    message = capsys.readouterr().err
    assert expected in message
    assert "Traceback" not in message
    assert not (home / "studies" / "journal.log").exists()
