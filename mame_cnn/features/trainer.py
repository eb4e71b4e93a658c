"""The seam's side of classifiers on features: a trial is one of them, fitted once.

It has the shape of `search.trainer.Trainer` without importing it. Its only epoch is the fit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from commands.errors import UserError
from mame_cnn.cohorts.val_probabilities import FILE, as_file
from mame_cnn.configuration.config import digest
from mame_cnn.configuration.vocabulary import Params
from mame_cnn.data.dataset import Dataset, Pixels
from mame_cnn.environment import environment
from mame_cnn.features.bank import Bank, open_bank
from mame_cnn.features.config import FeaturesConfig, config_from_params
from mame_cnn.features.fitting import Fitted, fit, infeasible
from mame_cnn.features.layers import Layer, chosen
from mame_cnn.features.looker import Looker
from mame_cnn.pretrained.weights_file import TORCHVISION
from mame_cnn.scoring.scores import losses
from mame_cnn.sketches.canvas import png
from mame_cnn.sketches.confusion import MOST_CLASSES, confusion_matrix
from mame_cnn.sketches.mistakes import misclassified, most_confident_mistakes
from mame_cnn.sketches.trial import CONFUSION, MISTAKES
from mame_cnn.trials.trial_cohort import Member


class FeatureTrainer:
    """Fits classifiers that flat parameters describe to what one network sees in one data set."""

    metric = "val_accuracy"
    epochs = 1

    def __init__(
        self,
        dataset: Dataset,
        looker: Looker,
        *,
        seed: int,
        weights: str = TORCHVISION,
        sha256: str = "",
        progress: bool = True,
    ):
        """Begin; features are computed when the first trial asks for them.

        Args:
            seed: of the study.
            weights: as the looker was opened with; so is `sha256`.
            progress: show a bar while features are computed, if stderr is a terminal.
        """
        looker.check_data(dataset)
        self.device = looker.device
        self._dataset, self._looker, self._progress = dataset, looker, progress
        self._weights, self._sha256 = weights, sha256
        self._bank: Bank | None = None
        n = len(dataset.classes)
        counts = {
            name: np.bincount(split.labels, minlength=n).tolist()
            for name, split in (("train", dataset.train), ("val", dataset.val))
        }
        self.data = {
            "name": dataset.name,
            "source": dataset.source,
            "digest": dataset.digest,
            "classes": list(dataset.classes),
            "counts": counts,
        }
        self.objective: dict[str, str | int] = {
            "metric": f"{self.metric} of a classifier on features",
            "epochs": self.epochs,
            "image_size": dataset.image_size,
            "seed": seed,
            "looker": looker.name,
            "looker_weights": looker.digest,
        }
        self.environment = environment(looker.device, torch.float32)

    def infeasible(self, params: Params) -> str | None:
        """Say why these parameters describe no classifier of these images, or return None."""
        config = self._config(params, seed=0)
        try:
            self._layers(config)
        except UserError as error:
            return str(error).partition("\n")[0]
        if config.metadata == "size" and self._dataset.train.sizes is None:
            return "metadata: the sizes of these images are not known"
        return infeasible(config, len(self._dataset.train.labels))

    def config(self, member: Member) -> dict[str, Any]:
        """Return the member's complete configuration as plain nested values."""
        return self._config(member.params, member.seed).model_dump(mode="json")

    def fusion_key(self, params: Params) -> str:
        """Return a digest of all parameters: nothing is gained by fitting two together."""
        return digest(dict(params))

    def shared(self, params: Params) -> frozenset[str]:
        """Return all names."""
        return frozenset(params)

    def cohort_size(self, params: Params, wanted: int | None) -> int:
        """Return one, whatever is wanted."""
        return 1

    def open(self, members: Sequence[Member]) -> "FeatureCohort":
        """Take in members; a state makes no difference, as there is nothing to go on from."""
        cohort = FeatureCohort(self)
        cohort.admit(members)
        return cohort

    def fit(self, member: Member) -> Fitted:
        """Return what became of a member."""
        config = self._config(member.params, member.seed)
        if self._bank is None:
            looker = self._looker
            # All layers: which of them trials ask for, only the sampler knows.
            self._bank = open_bank(looker, self._dataset, looker.layers, progress=self._progress)
        return fit(config, self._bank, self._layers(config), len(self._dataset.classes))

    def files(self, fitted: Fitted) -> dict[str, bytes]:
        """Return what is to be kept of a fitted classifier, by file name."""
        val, classes = self._dataset.val, self._dataset.classes
        mistakes = most_confident_mistakes(fitted.val_probs, val.labels)
        shown: Pixels = val.images[mistakes.indices]
        files = {
            FILE: as_file(fitted.val_probs, val.labels, self.epochs),
            MISTAKES: png(misclassified(mistakes, shown, classes), is_photo=True),
        }
        if len(classes) <= MOST_CLASSES:
            answers = fitted.val_probs.argmax(1)
            files[CONFUSION] = png(confusion_matrix(answers, val.labels, classes))
        return files

    def record(self, key: int, fitted: Fitted) -> "FeatureRecord":
        """Return what a member did."""
        train, val = self._dataset.train.labels, self._dataset.val.labels
        return FeatureRecord(
            key=key,
            value=accuracy(fitted.val_probs, val),
            metrics={
                "train_loss": float(losses(fitted.train_probs, train).mean()),
                "train_accuracy": accuracy(fitted.train_probs, train),
                "val_loss": float(losses(fitted.val_probs, val).mean()),
            },
            images_per_s=len(train) / fitted.seconds,
        )

    def _layers(self, config: FeaturesConfig) -> tuple[Layer, ...]:
        return chosen(self._looker.layers, config.layers, self._looker.name)

    def _config(self, params: Params, seed: int) -> FeaturesConfig:
        return config_from_params(
            params,
            looker=self._looker.name,
            weights=self._weights,
            sha256=self._sha256,
            source=self._dataset.source,
            image_size=self._dataset.image_size,
            seed=seed,
        )


@dataclass(frozen=True)
class FeatureRecord:
    """What one member did in its only epoch."""

    key: int
    value: float
    """Validation accuracy."""
    metrics: Mapping[str, float]
    images_per_s: float
    epoch: int = 1
    is_finished: bool = True
    failure: str | None = None


@dataclass
class FeatureCohort:
    """Members that are fitted one after the other."""

    trainer: FeatureTrainer
    members: list[Member] = field(default_factory=list)
    fitted: dict[int, Fitted] = field(default_factory=dict)
    """By key."""

    def train_epoch(self) -> list[FeatureRecord]:
        """Fit every member and return one record a member."""
        self.fitted = {member.key: self.trainer.fit(member) for member in self.members}
        return [self.trainer.record(key, fitted) for key, fitted in self.fitted.items()]

    def save(self, key: int) -> bytes:
        """Return nothing: who has been fitted has ended."""
        return b""

    def files(self, key: int) -> Mapping[str, bytes]:
        """Return what is to be kept of a member: what it said of validation images."""
        return self.trainer.files(self.fitted[key])

    def drop(self, keys: Collection[int]) -> None:
        """Remove members."""
        self.members = [member for member in self.members if member.key not in keys]
        self.fitted = {key: fitted for key, fitted in self.fitted.items() if key not in keys}

    def admit(self, members: Sequence[Member]) -> None:
        """Take in members."""
        self.members += members


def accuracy(probs: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Return the share of images whose class is the most probable."""
    return float((probs.argmax(1) == labels).mean())
