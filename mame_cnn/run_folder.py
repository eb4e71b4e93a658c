"""What a training run leaves behind: one folder, complete or not there at all.

config.toml                 the configuration, with provenance
weights.safetensors         weights of the best epoch; what they need to be used beside them
metrics.csv                 one row an epoch
val_probabilities.csv       one row an image, one column a class
classification_report.csv   precision, recall, F1, support by class
confusion_matrix.csv        rows are true classes
"""

import errno
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save

from commands.errors import UserError, naming
from mame_cnn.config import Config
from mame_cnn.config_file import write_config
from mame_cnn.data.dataset import Dataset
from mame_cnn.evaluation import evaluate
from mame_cnn.final_training import FinalTraining

WEIGHTS = "weights.safetensors"
_METRICS = (
    *("epoch", "lr", "train_loss", "penalty", "train_accuracy"),
    *("val_loss", "val_accuracy", "images_per_s", "is_best"),
)


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
            (folder / WEIGHTS).write_bytes(save(self.training.state, self._metadata()))
            history = pd.DataFrame([asdict(result) for result in self.training.history])
            history[list(_METRICS)].to_csv(folder / "metrics.csv", index=False)
            self._probabilities().to_csv(folder / "val_probabilities.csv", index=False)
            evaluation = evaluate(
                self.training.val_probs, self.dataset.val.labels, self.dataset.classes
            )
            evaluation.report.to_csv(folder / "classification_report.csv", index=False)
            evaluation.confusions.to_csv(folder / "confusion_matrix.csv")

    def _metadata(self) -> dict[str, str]:
        """Return what the weights need to be used, as safetensors takes it: JSON by name."""
        dataset = self.dataset
        identity = {
            "classes": list(dataset.classes),
            "channels": dataset.channels,
            "image_size": dataset.image_size,
            "mean": dataset.mean,
            "std": dataset.std,
            "config_digest": self.config.digest,
            "data_digest": dataset.digest,
            "seed": self.config.seed,
            "provenance": self.provenance,
        }
        return {name: json.dumps(value) for name, value in identity.items()}

    def _probabilities(self) -> pd.DataFrame:
        """Return a row a validation image; prefixed, as a class may be called `image`."""
        dataset = self.dataset
        columns = [f"prob {name}" for name in dataset.classes]
        table = pd.DataFrame(self.training.val_probs, columns=columns)
        table.insert(0, "image", list(dataset.val.names))
        table.insert(1, "label", [dataset.classes[label] for label in dataset.val.labels])
        return table
