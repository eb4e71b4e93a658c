"""The complete, frozen description of one training run.

Nothing here has a default: a configuration that leaves something open is an error, so that two
runs of one configuration are the same run. Defaults live in `mame_cnn.configuration.parameters`,
which turns a search's flat parameters into a configuration.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mame_cnn.configuration.layered import MAX_BLOCKS, MAX_DENSE, Block, Dense, Plain
from mame_cnn.configuration.network import Network
from mame_cnn.configuration.pretrained import Pretrained, Trained
from mame_cnn.configuration.section import (
    Coefficient,
    Count,
    PlainText,
    Section,
    Share,
    plain_text,
)

__all__ = [
    "LARGEST_IMAGE_SIZE",
    "MAX_BLOCKS",
    "MAX_DENSE",
    "SMALLEST_IMAGE_SIZE",
    "Augmentation",
    "Block",
    "Coefficient",
    "Config",
    "Constant",
    "Cosine",
    "Count",
    "Data",
    "Dense",
    "Exponential",
    "Network",
    "OneCycle",
    "Optimizer",
    "Plain",
    "PlainText",
    "Plateau",
    "Pretrained",
    "Section",
    "Share",
    "Trained",
    "Training",
    "digest",
    "plain_text",
]

SMALLEST_IMAGE_SIZE, LARGEST_IMAGE_SIZE = 8, 1024

OptimizerName = Literal[
    "sgd", "adam", "adamw", "nadam", "adamax", "adagrad", "adadelta", "rmsprop"
]


class Optimizer(Section):
    """An update rule and its coefficients; all else is as in torch.optim."""

    name: OptimizerName
    """`adam` and `adamw` are the same rule here, because weight decay is decoupled for all."""
    lr: float = Field(gt=0)
    momentum: Share
    """Of SGD; 0 for every other rule."""
    weight_decay: Coefficient
    """Decoupled (Loshchilov & Hutter 2019): each step multiplies kernels by 1 - lr * this."""

    @model_validator(mode="after")
    def _momentum_is_of_sgd(self) -> Self:
        if self.momentum and self.name != "sgd":
            raise ValueError(f"momentum belongs to sgd, got {self.momentum} for {self.name}")
        return self


class Constant(Section):
    """The same learning rate throughout."""

    name: Literal["constant"]


class Exponential(Section):
    """After some epochs, each further epoch multiplies the rate by exp(-rate)."""

    name: Literal["exponential"]
    rate: Coefficient
    after_epochs: Count
    """Epochs at the full learning rate."""


class Plateau(Section):
    """A factor whenever the validation loss has not fallen for more than some epochs."""

    name: Literal["plateau"]
    factor: float = Field(gt=0, lt=1)
    patience_epochs: Count


class Cosine(Section):
    """Half a cosine wave, 0 after the last step (Loshchilov & Hutter 2017)."""

    name: Literal["cosine"]


class OneCycle(Section):
    """Up from lr / 25 to lr, then down to almost nothing (Smith & Topin 2018)."""

    name: Literal["one_cycle"]
    warmup_fraction: float = Field(gt=0, lt=1)
    """Share of all steps that goes up."""


Schedule = Annotated[
    Constant | Exponential | Plateau | Cosine | OneCycle, Field(discriminator="name")
]


class Training(Section):
    """How the weights are fitted."""

    epochs: Count = Field(ge=1)
    batch_size: Count = Field(ge=1)
    """Images in one step; a split smaller than this is one batch."""
    optimizer: Optimizer
    schedule: Schedule
    label_smoothing: Share
    ema_decay: Share
    """Validated and kept are weights averaged over steps, each keeping this share of the average
    before (`mame_cnn.cohorts.weight_average`); 0 is the weights of the last step."""
    class_weights: Literal["none", "balanced"]
    """Balanced weighs class c by n / (n_c * number of classes)."""
    initial_bias: Literal["zero", "frequencies"]
    """Of the outputs: frequencies make their softmax, where nothing else speaks yet, the share of
    each class in the training images."""
    l1_after_epochs: Count
    """Epochs before the L1 penalties set in; those of L2 hold from the first."""
    patience_epochs: Count
    """Early stopping after so many epochs without progress in validation; 0 is off. They count
    from the last unfreezing of a pretrained network on."""
    patience_on: Literal["accuracy_or_loss", "loss"]
    """What progress is: a higher accuracy or a lower loss in validation, or a lower loss alone.
    The weights that are kept are those of the best accuracy in either case."""


class Augmentation(Section):
    """Random changes of training images; 0 everywhere is none."""

    flip_horizontal: float = Field(ge=0, le=1)
    """Probability."""
    flip_vertical: float = Field(ge=0, le=1)
    """Probability."""
    rotation_degrees: float = Field(ge=0, le=180)
    """Angle drawn uniformly from +- this."""
    shift_x_fraction: float = Field(ge=0, le=1)
    """Shift drawn uniformly from +- this share of the width."""
    shift_y_fraction: float = Field(ge=0, le=1)
    """Shift drawn uniformly from +- this share of the height."""
    zoom_fraction: Share
    """Scale drawn uniformly from 1 +- this."""
    shear_fraction: float = Field(ge=0, le=1)
    """Shear drawn uniformly from +- this: columns move by so many pixels a row."""
    crop_pad_px: Count
    """Zeros around the image, from which a window of its size is cut at random."""
    color_pca_sd: Coefficient
    """Deviation of what multiplies each principal component of the training images' colours
    before they are added to a whole image (Krizhevsky et al. 2012, section 4.1)."""

    @property
    def is_on(self) -> bool:
        """Whether training images change at all."""
        return any(self.model_dump().values())


class Data(Section):
    """Which images; which *state* of them is the data's own digest."""

    source: PlainText = Field(min_length=1)
    """A folder, or `digits`."""
    image_size: int = Field(ge=SMALLEST_IMAGE_SIZE, le=LARGEST_IMAGE_SIZE)
    """Side of the square images in pixels."""
    normalisation: Literal["train", "image"]
    """By each channel's mean and deviation over all training images, or each image by those of
    its own values: (x - mean) / max(deviation, 1 / sqrt(number of values))."""


_PLACES: Any = {"data": {"source"}, "network": {"weights"}}
"""Fields that say where something lies; what it is, other fields or digests do."""


class Config(Section):
    """One training run, complete."""

    seed: int = Field(ge=0, lt=2**63)
    """Seeds the weights and dropout of this network."""
    data_seed: int = Field(ge=0, lt=2**63)
    """Seeds the order and augmentation of training images; equal throughout a study."""
    from_scratch: bool
    """Whether every weight is drawn at random and learnt here, as the MAMe task demands."""
    data: Data
    network: Network
    training: Training
    augmentation: Augmentation

    @property
    def digest(self) -> str:
        """12 hex digits of SHA-256 over all of it but where images and weights lie."""
        return digest(self.model_dump(mode="json", exclude=_PLACES))

    @model_validator(mode="after")
    def _says_what_it_does(self) -> Self:
        network = self.network
        if not isinstance(network, Pretrained):
            return self
        faults = []
        if self.from_scratch:
            faults.append(
                "network.family: pretrained weights are refused where from_scratch = true; "
                "say from_scratch = false to use them"
            )
        faults += [
            f"network.unfreezing.{number}.after_epochs: {step.after_epochs} is not before the "
            f"last of {self.training.epochs} epochs"
            for number, step in enumerate(network.unfreezing)
            if step.after_epochs >= self.training.epochs
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def digest(content: Any) -> str:
    """Return 12 hex digits of SHA-256 over canonical JSON: the same in every process."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
