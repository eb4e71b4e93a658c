"""The arms differ in how they search, and in nothing else."""

from pathlib import Path

import pytest

from benchmarks import optuna_script
from benchmarks.arms import ARMS, Task, command, journal
from search import options
from search.space.file import load_space

SPACE = Path("spaces/regularization.py")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(
        space=SPACE,
        data=tmp_path / "data",
        image_size=64,
        epochs=20,
        seconds=60.0,
        device="cpu",
        n_loader_workers=2,
    )


@pytest.mark.parametrize("arm", ARMS)
def test_an_arms_command_is_one_that_its_module_understands(
    arm: str, task: Task, tmp_path: Path
) -> None:
    _, _, module, *arguments = command(ARMS[arm], task, 7, tmp_path)
    is_script = module == "benchmarks.optuna_script"
    parser = optuna_script.make_parser() if is_script else options.make_parser()
    given = parser.parse_args(arguments)
    assert (given.image_size, given.epochs, given.seed, given.device) == (64, 20, 7, "cpu")
    assert Path(given.data) == task.data
    assert Path(given.storage) == journal(tmp_path)
    assert given.timeout is None
    assert load_space(given.space).digest == load_space(SPACE).digest


@pytest.mark.parametrize(
    ("arm", "sampler", "pruner", "n_baselines"),
    [("random", "random", "none", 0), ("defaults", None, "rungs", 1)],
)
def test_random_search_has_neither_rungs_nor_starting_points(
    arm: str, sampler: str | None, pruner: str, n_baselines: int, task: Task, tmp_path: Path
) -> None:
    given = options.make_parser().parse_args(command(ARMS[arm], task, 0, tmp_path)[3:])
    assert (given.sampler, given.pruner) == (sampler, pruner)
    assert len(load_space(given.space).baselines) == n_baselines
