"""One classifier on features from its configuration to its folder: what the command does."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import load_dataset
from mame_cnn.data.metadata import WARNING, check_sizes
from mame_cnn.environment import environment
from mame_cnn.features.bank import open_bank
from mame_cnn.features.config import FeaturesConfig
from mame_cnn.features.fitting import Fitted, fit
from mame_cnn.features.layers import chosen
from mame_cnn.features.looker import Looker
from mame_cnn.features.run_folder import write_run
from mame_cnn.runs.run_folder import place_run, unfinished_run
from mame_cnn.scoring.intervals import Interval, wilson
from mame_cnn.scoring.scores import Scores, scores

FROM_NOWHERE: Mapping[str, Any] = {}


@dataclass(frozen=True, eq=False)
class FeaturesRun:
    """What became of a configuration, and where it is kept."""

    fitted: Fitted
    train: Scores
    val: Scores
    interval: Interval
    """95 % of the validation accuracy, by Wilson's score."""
    folder: Path


def run_features(
    config: FeaturesConfig,
    looker: Looker,
    *,
    parent: Path,
    places: Iterable[Path],
    provenance: Mapping[str, Any] = FROM_NOWHERE,
    say: Callable[[str], None] = print,
    progress: bool = True,
) -> FeaturesRun:
    """Compute features, fit the classifier, try it on validation images and keep what it says.

    Raises `UserError` for what a user can mend.

    Args:
        looker: the network that the configuration names, opened.
        parent: the folder in which the run's folder is made.
        places: folders in it, of which the first is taken that is free.
        provenance: where the configuration comes from, kept with it.
        say: told what a user must know of the data and the network.
        progress: show bars, if stderr is a terminal.
    """
    layers = chosen(looker.layers, config.layers, looker.name)
    dataset = load_dataset(config.data.source, looker.image_size, progress=progress)
    looker.check_data(dataset)
    data = config.data.model_copy(update={"source": dataset.source})
    config = config.model_copy(update={"data": data})
    for note in dataset.notes:
        say(note)
    if looker.is_pretrained:
        say(f"note: {looker.name} was pretrained on other images: none of a task from scratch")
    if config.metadata == "size":
        check_sizes(dataset)
        say(WARNING)
    with unfinished_run(parent) as unfinished:
        bank = open_bank(looker, dataset, layers, progress=progress)
        fitted = fit(config, bank, layers, len(dataset.classes))
        write_run(unfinished, config, fitted, dataset, {**provenance, **_known(looker, dataset)})
        folder = place_run(unfinished, places)
    val = scores(fitted.val_probs, dataset.val.labels)
    return FeaturesRun(
        fitted=fitted,
        train=scores(fitted.train_probs, dataset.train.labels),
        val=val,
        interval=wilson(round(val.accuracy * val.n_images), val.n_images),
        folder=folder,
    )


def _known(looker: Looker, dataset: Dataset) -> dict[str, Any]:
    """Return what a run is made of, beside where its configuration comes from."""
    return {
        "features": {
            "looker_digest": looker.digest,
            "data_name": dataset.name,
            "data_digest": dataset.digest,
            "environment": environment(looker.device, torch.float32),
        }
    }
