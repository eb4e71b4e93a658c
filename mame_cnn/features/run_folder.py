"""What a classifier on features leaves behind: one folder, complete or not there at all.

config.toml                 the configuration, with provenance
metrics.json                accuracy and loss in training, all scores in validation
layers.csv                  the layers, their features, and what a forest made of each
val_probabilities.csv       as of a training's run; so are the others (`mame_cnn.runs.run_folder`)

The classifier itself is not kept: there is no format for it that nothing could be hidden in, and
the configuration makes the same one again in seconds.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import tomli_w
from pydantic import ValidationError

from commands.errors import UserError, naming
from commands.strangers import shown
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.configuration.toml_file import read_toml
from mame_cnn.data.dataset import Dataset
from mame_cnn.features.config import FeaturesConfig
from mame_cnn.features.fitting import Fitted
from mame_cnn.runs.run_folder import write_validation
from mame_cnn.scoring.scores import scores


def write_run(
    folder: Path,
    config: FeaturesConfig,
    fitted: Fitted,
    dataset: Dataset,
    provenance: Mapping[str, Any],
) -> None:
    """Write all files into a folder."""
    with naming(folder):
        document = {**config.model_dump(mode="json"), "provenance": dict(provenance)}
        (folder / "config.toml").write_text(tomli_w.dumps(document), encoding="utf-8")
        metrics = {
            "n_features": fitted.n_features,
            "is_converged": fitted.is_converged,
            "train": asdict(scores(fitted.train_probs, dataset.train.labels)),
            "val": asdict(scores(fitted.val_probs, dataset.val.labels)),
        }
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=1), encoding="utf-8")
        layers = pd.DataFrame(asdict(layer) for layer in fitted.layers)
        if fitted.importances:
            layers["importance"] = [fitted.importances[name] for name in layers["name"]]
        layers.to_csv(folder / "layers.csv", index=False)
        write_validation(folder, fitted.val_probs, dataset.val, dataset.classes)


def read_features_config(path: Path) -> tuple[FeaturesConfig, dict[str, Any]]:
    """Return a file's configuration and its `[provenance]` table (empty where it has none).

    Raises `UserError` naming the file, and every field that is missing, misspelt or ill-typed.
    """
    content = read_toml(path)
    provenance = content.pop("provenance", {})
    if not isinstance(provenance, dict):
        raise UserError(f"{path}: provenance: expected a table, got {shown(provenance)}")
    try:
        return FeaturesConfig.model_validate(content), provenance
    except ValidationError as error:
        faults = "\n".join(f"  {line}" for line in describe_faults(error))
        raise UserError(
            f"{path}: not the configuration of a classifier on features:\n{faults}"
        ) from None
