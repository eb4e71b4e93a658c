"""What the campaign runs: one small study on the digits, through the real command."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from benchmarks.report import untouched
from mame_cnn.data import digits

STUDY = "faults"
N_TRIALS = 6
N_EPOCHS = 4
HANG_LIMIT_S = 3.0
MARK = "FAULTS_ROUND"
"""The environment variable by which all processes of a round are found."""
CLOCK = "FAULTS_CLOCK"
"""The environment variable that names the file with the seconds by which the clock is off."""
_ROOT = Path(__file__).parents[2]
_IMAGE_SIZE = 16
_N_IMAGES = {"train": 400, "val": 200}
_SPACE = f'''\
"""Networks of a few kilobytes, which train in a second."""

from search.space import Choice, Float, Int, Question, Space

SPACE = Space(
    title="Faults",
    question=Question(previous="none", hypothesis="nothing is lost", setup="tiny networks"),
    parameters=(
        Int("depth", 1, 2, source="small"),
        Choice("width", (4, 8), source="small"),
        Float("lr", 1e-3, 1e-2, log=True, source="Adam's default and more"),
        Float("drop_rate", 0.0, 0.5, source="so that epochs draw random numbers"),
    ),
    fixed={{"batch_size": 64, "optimizer": "adam", "batch_norm": "before"}},
    epochs={N_EPOCHS},
)
'''


@dataclass(frozen=True)
class Setting:
    """What two rounds must have in common to end with the same numbers."""

    n_workers: int
    data: Literal["digits", "folder"]
    """The folder holds digits as files; only such data has a cache."""

    @property
    def name(self) -> str:
        """What its reference is called."""
        return f"{self.n_workers}-{self.data}"


@dataclass(frozen=True)
class Files:
    """Where a round's files are."""

    folder: Path

    @property
    def studies(self) -> Path:
        """The folder beside which nothing is written but the cache."""
        return self.folder / "studies"

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.studies / "journal.log"

    @property
    def artifacts(self) -> Path:
        """What trials leave, and their checkpoints."""
        return self.studies / "artifacts"

    @property
    def cache(self) -> Path:
        """Prepared images."""
        return self.folder / "cache"

    @property
    def clock(self) -> Path:
        """By how much the clock is off."""
        return self.folder / "clock"

    @property
    def storage(self) -> list[str]:
        """The options that name journal and artifacts."""
        return ["--storage", str(self.journal), "--artifacts", str(self.artifacts)]


def make_world(work: Path) -> None:
    """Write the space and the folder of images that all rounds share, unless they are there."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "space.py").write_text(_SPACE)
    folder = work / "data"
    if folder.is_dir():
        return
    loaded = digits.load(_IMAGE_SIZE)
    for split, part in (("train", loaded.train), ("val", loaded.val)):
        for number in range(_N_IMAGES[split]):
            label = str(int(part.labels[number]))
            path = work / "data.part" / split / label / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(part.images[number, 0]).save(path)
    (work / "data.part").rename(folder)


def search_command(setting: Setting, work: Path, files: Files, hang_limit_s: float) -> list[str]:
    """Return the command that begins the study, and goes on with it."""
    data = "digits" if setting.data == "digits" else str(work / "data")
    return [
        *(sys.executable, "-m", "search.run", str(work / "space.py"), *files.storage),
        *("--study", STUDY, "--trials", str(N_TRIALS), "--workers", str(setting.n_workers)),
        *("--data", data, "--image-size", str(_IMAGE_SIZE)),
        *("--sampler", "random", "--pruner", "none", "--cohort", "1", "--checkpoint-every", "0"),
        *("--device", "cpu", "--precision", "float32", "--hang-limit", str(hang_limit_s)),
    ]


def environment(files: Files, *, has_clock: bool) -> dict[str, str]:
    """Return the environment of a round's processes.

    Args:
        has_clock: whether their clock can be set.
    """
    paths = [str(_ROOT)]
    own = {MARK: str(files.folder), "MAME_CACHE": str(files.cache), "OMP_NUM_THREADS": "1"}
    if has_clock:
        paths.insert(0, str(Path(__file__).parent / "clock"))
        own[CLOCK] = str(files.clock)
    return untouched() | own | {"PYTHONPATH": os.pathsep.join(paths)}
