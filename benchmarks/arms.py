"""What the search benchmark compares: Optuna's example, random search, and our defaults."""

import sys
from dataclasses import dataclass
from pathlib import Path

from commands.arguments import LARGEST

STUDY = "search"
"""The name of every run's study."""

_BARE_SPACE = """\
from dataclasses import replace

from search.space.file import load_space

SPACE = replace(load_space({path!r}), baselines=())
"""


@dataclass(frozen=True)
class Arm:
    """One way to search."""

    title: str
    module: str = "search.run"
    """The command, run as users run it."""
    options: tuple[str, ...] = ()
    has_baselines: bool = True
    """Whether it is told the space's starting points."""


ARMS = {
    "script": Arm("the script of Optuna's example", "benchmarks.optuna_script"),
    "random": Arm(
        "random search on this engine",
        options=("--sampler", "random", "--pruner", "none"),
        has_baselines=False,
    ),
    "defaults": Arm("this project's defaults"),
    "no-baselines": Arm("this project's defaults, no starting points", has_baselines=False),
    "no-pruner": Arm("this project's defaults, no rungs", options=("--pruner", "none")),
    "random-rungs": Arm(
        "this project's starting points and rungs, random otherwise",
        options=("--sampler", "random"),
    ),
}
"""The first three are the benchmark; the others show what earned which part of a difference."""
MAIN_ARMS = ("script", "random", "defaults")


@dataclass(frozen=True)
class Task:
    """What all arms are given."""

    space: Path
    data: Path
    """train/CLASS/ and val/CLASS/."""
    image_size: int
    epochs: int
    """The most that a trial trains."""
    seconds: float
    """Wall-clock time from the start of the process."""
    device: str
    n_loader_workers: int
    """Of the script's DataLoader."""


def command(arm: Arm, task: Task, seed: int, folder: Path) -> list[str]:
    """Return the command of a run, whose journal will be `journal(folder)`."""
    space = task.space.resolve()
    if not arm.has_baselines:
        bare = folder / "bare_space.py"
        bare.write_text(_BARE_SPACE.format(path=str(space)))
        space = bare
    # No number of trials and no timeout of its own ends a run before its time is over.
    own = (
        ["--artifacts", str(folder / "artifacts"), "--trials", str(LARGEST)]
        if arm.module == "search.run"
        else ["--loader-workers", str(task.n_loader_workers)]
    )
    return [
        *(sys.executable, "-m", arm.module, str(space)),
        *("--data", str(task.data), "--image-size", str(task.image_size)),
        *("--epochs", str(task.epochs), "--device", task.device, "--seed", str(seed)),
        *("--storage", str(journal(folder)), "--study", STUDY),
        *own,
        *arm.options,
    ]


def journal(folder: Path) -> Path:
    """Return where a run keeps its study."""
    return folder / "journal.log"
