"""What a training run leaves behind: one folder, complete or not there at all.

config.toml                 the configuration, with provenance
weights.safetensors         the model: weights of the best epoch, and all that they need
metrics.csv                 one row an epoch; with energy_j where the device tells it
val_probabilities.csv       one row an image, one column a class
classification_report.csv   precision, recall, F1, support by class
confusion_matrix.csv        rows are true classes
museums.csv                 accuracy by museum, where the data name one

The last four, and what else is about validation, are left out where its images were trained on.
"""

import errno
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from commands.errors import UserError, naming
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import write_config
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from mame_cnn.runs.final_training import FinalTraining
from mame_cnn.scoring.evaluation import by_museum, evaluate
from mame_cnn.scoring.probabilities_file import write_probabilities
from mame_cnn.scoring.scores import Floats

_METRICS = (
    *("epoch", "lr", "train_loss", "penalty", "train_accuracy"),
    *("val_loss", "val_accuracy", "images_per_s", "is_best"),
)
_ENERGY = "energy_j"
"""Left out where it is not known in any epoch."""
MUSEUMS = "museums.csv"
_KEPT_METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


def numbered(parent: Path, name: str) -> Iterator[Path]:
    """Yield `parent/name-01`, `parent/name-02`, and so on."""
    return (parent / f"{name}-{number:02d}" for number in count(1))


def check_is_free(folder: Path) -> None:
    """Raise `UserError` if a run would overwrite something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--out {folder}: exists and is not empty; nothing is overwritten")


@contextmanager
def unfinished_run(parent: Path) -> Iterator[Path]:
    """Give a folder of its own to a run, and remove it afterwards unless it was placed.

    Made before the training, so that a place that cannot be written to shows at once.
    """
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=parent))
    folder.chmod(0o755)  # mkdtemp's 0700 would shut out others who share the studies
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place_run(unfinished: Path, places: Iterable[Path]) -> Path:
    """Move a finished run to the first place that is free, and return it.

    Nobody else's run is touched: to move onto a folder with something in it is an error of the
    operating system, however late that something came.
    """
    for place in places:
        try:
            unfinished.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return place
    raise UserError("no place left for the run")


@dataclass(frozen=True)
class RunFiles:
    """A finished run, ready to be written."""

    config: Config
    training: FinalTraining
    dataset: Dataset
    provenance: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write all files into a folder."""
        with naming(folder):
            write_config(folder / "config.toml", self.config, self.provenance)
            write_model(folder / WEIGHTS, self.model)
            history = pd.DataFrame([asdict(result) for result in self.training.history])
            of_training = [name for name in _METRICS if not name.startswith("val_")]
            columns = list(_METRICS) if self.training.is_validated else of_training
            if history[_ENERGY].notna().any():
                columns.append(_ENERGY)
            history[columns].to_csv(folder / "metrics.csv", index=False)
            if self.training.is_validated:
                write_validation(
                    folder, self.training.val_probs, self.dataset.val, self.dataset.classes
                )

    @property
    def model(self) -> Model:
        """The network that was kept, ready to be used."""
        dataset, best = self.dataset, self.training.best
        return Model(
            config=self.config,
            classes=dataset.classes,
            channels=dataset.channels,
            mean=dataset.mean,
            std=dataset.std,
            data_name=dataset.name,
            data_digest=dataset.digest,
            metrics={
                "best_epoch": best.epoch,
                "epochs": len(self.training.history),
                **{
                    name: getattr(best, name)
                    for name in _KEPT_METRICS
                    if self.training.is_validated or not name.startswith("val_")
                },
            },
            provenance=self.provenance,
            state=self.training.state,
        )


def write_validation(folder: Path, probs: Floats, val: Split, classes: Sequence[str]) -> None:
    """Write what a classifier says of validation images that it was not trained on."""
    write_probabilities(folder / "val_probabilities.csv", probs, val.labels, val.names, classes)
    evaluation = evaluate(probs, val.labels, classes)
    evaluation.report.to_csv(folder / "classification_report.csv", index=False)
    evaluation.confusions.to_csv(folder / "confusion_matrix.csv")
    if val.museums:
        museums = by_museum(probs, val.labels, val.museums)
        museums.to_csv(folder / MUSEUMS, index=False)
