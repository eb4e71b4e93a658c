"""What a training run leaves behind: one folder, complete or not there at all.

config.toml                 the configuration, with provenance
weights.safetensors         weights of the best epoch; classes and normalisation beside them
metrics.csv                 one row an epoch
val_probabilities.csv       one row an image, one column a class
classification_report.csv   precision, recall, F1, support by class
confusion_matrix.csv        rows are true classes
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save_file

from mame_cnn.config import Config
from mame_cnn.config_file import write_config
from mame_cnn.data.dataset import Dataset
from mame_cnn.errors import UserError
from mame_cnn.evaluation import evaluate
from mame_cnn.final_training import FinalTraining

WEIGHTS = "weights.safetensors"


def next_run_folder(parent: Path, name: str) -> Path:
    """Return `parent/name-01`, or the first number that is not taken."""
    number = 1
    while (folder := parent / f"{name}-{number:02d}").exists():
        number += 1
    return folder


def check_is_free(folder: Path) -> None:
    """Raise `UserError` if a run would overwrite something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--out {folder}: exists and is not empty; nothing is overwritten")


def write_run_folder(
    folder: Path,
    config: Config,
    training: FinalTraining,
    dataset: Dataset,
    provenance: dict[str, Any],
) -> None:
    """Write a finished run, first beside its place and then into it in one move."""
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write_config(unfinished / "config.toml", config, provenance)
    identity = {
        "classes": list(dataset.classes),
        "channels": dataset.channels,
        "image_size": dataset.image_size,
        "mean": dataset.mean,
        "std": dataset.std,
        "config_digest": config.digest,
        "data_digest": dataset.digest,
    }
    save_file(
        training.state,
        unfinished / WEIGHTS,
        metadata={name: json.dumps(value) for name, value in identity.items()},
    )
    _metrics(training).to_csv(unfinished / "metrics.csv", index=False)
    probs = pd.DataFrame(training.val_probs, columns=list(dataset.classes))
    probs.insert(0, "image", list(dataset.val.names))
    probs.insert(1, "label", [dataset.classes[label] for label in dataset.val.labels])
    probs.to_csv(unfinished / "val_probabilities.csv", index=False)
    evaluation = evaluate(training.val_probs, dataset.val.labels, dataset.classes)
    evaluation.report.to_csv(unfinished / "classification_report.csv")
    evaluation.confusions.to_csv(unfinished / "confusion_matrix.csv")
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)


def _metrics(training: FinalTraining) -> pd.DataFrame:
    """Return one row an epoch."""
    columns = (
        "epoch lr train_loss penalty train_accuracy val_loss val_accuracy images_per_s is_best"
    )
    return pd.DataFrame([asdict(result) for result in training.history])[columns.split()]
