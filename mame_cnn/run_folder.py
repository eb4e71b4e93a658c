"""What a training run leaves behind: one folder, complete or not there at all.

config.toml                 the configuration, with provenance
weights.safetensors         weights of the best epoch; what they need to be used beside them
metrics.csv                 one row an epoch
val_probabilities.csv       one row an image, one column a class
classification_report.csv   precision, recall, F1, support by class
confusion_matrix.csv        rows are true classes
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save

from mame_cnn.config import Config
from mame_cnn.config_file import write_config
from mame_cnn.data.dataset import Dataset
from mame_cnn.errors import UserError
from mame_cnn.evaluation import evaluate
from mame_cnn.final_training import FinalTraining

WEIGHTS = "weights.safetensors"
_METRICS = (
    *("epoch", "lr", "train_loss", "penalty", "train_accuracy"),
    *("val_loss", "val_accuracy", "images_per_s", "is_best"),
)


def next_run_folder(parent: Path, name: str) -> Path:
    """Return `parent/name-01`, or the first number that is not taken."""
    number = 1
    while (folder := parent / f"{name}-{number:02d}").exists():
        number += 1
    return folder


@contextmanager
def run_folder(folder: Path) -> Iterator[Path]:
    """Make room for a run: a folder beside its place, moved there if the block ends well.

    Made before the training, so that a place that cannot be written to shows at once. Raises
    `UserError` if the run would overwrite something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--out {folder}: exists and is not empty; nothing is overwritten")
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_run(
    folder: Path,
    config: Config,
    training: FinalTraining,
    dataset: Dataset,
    provenance: dict[str, Any],
) -> None:
    """Write the files of a finished run into its folder."""
    write_config(folder / "config.toml", config, provenance)
    identity = {
        "classes": list(dataset.classes),
        "channels": dataset.channels,
        "image_size": dataset.image_size,
        "mean": dataset.mean,
        "std": dataset.std,
        "config_digest": config.digest,
        "data_digest": dataset.digest,
        "seed": config.seed,
        "provenance": provenance,
    }
    metadata = {name: json.dumps(value) for name, value in identity.items()}
    (folder / WEIGHTS).write_bytes(save(training.state, metadata))
    history = pd.DataFrame([asdict(result) for result in training.history])
    history[list(_METRICS)].to_csv(folder / "metrics.csv", index=False)
    # Prefixed, because a class may be called `image` or `label`.
    probs = pd.DataFrame(training.val_probs, columns=[f"prob {c}" for c in dataset.classes])
    probs.insert(0, "image", list(dataset.val.names))
    probs.insert(1, "label", [dataset.classes[label] for label in dataset.val.labels])
    probs.to_csv(folder / "val_probabilities.csv", index=False)
    evaluation = evaluate(training.val_probs, dataset.val.labels, dataset.classes)
    evaluation.report.to_csv(folder / "classification_report.csv", index=False)
    evaluation.confusions.to_csv(folder / "confusion_matrix.csv")
