"""What is remembered of Slurm, and the lock that suits its shared file systems."""

import os
import subprocess
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileOpenLock, JournalFileSymlinkLock

from commands.errors import UserError
from search.hosts.owner import is_dead, this_process
from search.hosts.slurm import slurm_job
from search.storages.journal import LOCK_VARIABLE, Journal

OF_A_TASK = {
    "SLURM_JOB_ID": "4714",
    "SLURM_ARRAY_JOB_ID": "4711",
    "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_CLUSTER_NAME": "one",
    "SLURMD_NODENAME": "node07",
    "SLURM_PROCID": "0",
    "SLURM_RESTART_COUNT": "2",
}


def test_a_task_of_an_array_has_the_name_that_scancel_takes() -> None:
    assert slurm_job(OF_A_TASK) == {
        "slurm_job": "4711_3",
        "slurm_cluster": "one",
        "slurm_node": "node07",
        "slurm_process": 0,
        "slurm_restarts": 2,
    }


def test_a_plain_job_has_its_number() -> None:
    assert slurm_job({"SLURM_JOB_ID": "4714"}) == {"slurm_job": "4714"}


def test_outside_slurm_nothing_is_said() -> None:
    assert slurm_job({"SLURM_CLUSTER_NAME": "one"}) == {}


def test_the_owner_of_a_trial_carries_the_job_and_is_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in OF_A_TASK.items():
        monkeypatch.setenv(name, value)
    owner = this_process()
    assert owner["slurm_job"] == "4711_3"
    assert not is_dead(owner)


@pytest.mark.parametrize(
    ("chosen", "expected"), [("open", JournalFileOpenLock), ("link", JournalFileSymlinkLock)]
)
def test_the_environment_chooses_the_lock_of_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, expected: type
) -> None:
    monkeypatch.setenv(LOCK_VARIABLE, chosen)
    path = tmp_path / "journal.log"
    journal = Journal(path)
    with journal.writing():
        [lock] = set(tmp_path.iterdir()) - {path}
        assert lock.is_symlink() == (expected is JournalFileSymlinkLock)
    study = optuna.create_study(storage=optuna.storages.JournalStorage(journal))
    study.optimize(lambda trial: trial.suggest_float("lr", 0, 1), n_trials=2)
    assert len(optuna.load_study(storage=study._storage, study_name=None).trials) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_lock_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOCK_VARIABLE, "flock")
    with pytest.raises(UserError, match=r"\$MAME_JOURNAL_LOCK: expected link or open, got flock"):
        Journal(tmp_path / "journal.log")


RECIPES = Path(__file__).parents[3] / "docs" / "recipes"


def _run_recipe(
    folder: Path, recipe: str, programs: dict[str, str], **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Runs a recipe in a folder, as Slurm does, with scripts in place of programs."""
    for name, line in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{line}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    environment |= {"PATH": path, "HOME": str(folder), "SLURM_JOB_ID": "4714"}
    command = ["bash", str(RECIPES / f"{recipe}.sbatch")]
    return subprocess.run(command, cwd=folder, env=environment, check=False, timeout=60)


REQUEUE = 'echo "$@" > requeued'


@pytest.mark.parametrize(
    ("status", "is_time_over", "is_requeued"),
    [(143, True, True), (143, False, False), (0, True, False), (2, False, False)],
)
def test_the_recipe_requeues_what_time_has_ended_and_nothing_else(
    tmp_path: Path, status: int, is_time_over: bool, is_requeued: bool
) -> None:
    # A search that is told of its end as Slurm's --signal does, or that ends by itself.
    search = f"trap 'exit {status}' TERM; kill -USR1 $PPID; while :; do sleep 0.05; done"
    search = search if is_time_over else f"exit {status}"
    ended = _run_recipe(tmp_path, "search-array", {"python": search, "scontrol": REQUEUE})
    assert ended.returncode == status
    requeued = tmp_path / "requeued"
    assert requeued.exists() == is_requeued
    if is_requeued:
        assert requeued.read_text() == "requeue 4714\n"


@pytest.mark.parametrize(
    ("recipe", "program", "child"),
    [("search-array", "python", "search"), ("train-torchrun", "torchrun", "training")],
)
@pytest.mark.parametrize("moment", ["{program}*", "{child}=*!", "wait*"])
def test_recipes_hear_of_their_end_at_any_moment(
    tmp_path: Path, recipe: str, program: str, child: str, moment: str
) -> None:
    # Bash reads $BASH_ENV first, whose trap signals the script just before that command.
    before = f"[[ $BASH_COMMAND == {moment.format(program=program, child=child)} ]]"
    (tmp_path / "debug").write_text(f"trap '{before} && trap - DEBUG && kill -USR1 $$' DEBUG\n")
    programs = {program: "exec sleep 50", "scontrol": REQUEUE}
    ended = _run_recipe(tmp_path, recipe, programs, BASH_ENV=str(tmp_path / "debug"))
    assert ended.returncode == 143
    assert (tmp_path / "requeued").exists() == (recipe == "search-array")


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.sbatch")), ids=lambda path: path.stem)
def test_recipes_are_scripts_that_bash_can_read(recipe: Path) -> None:
    subprocess.run(["bash", "-n", str(recipe)], check=True)
