"""The complete, frozen description of one training run.

Nothing here has a default: a configuration that leaves something open is an error, so that two
runs of one configuration are the same run. Defaults live in `mame_cnn.parameters`, which turns
a search's flat parameters into a configuration.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from commands.strangers import has_control_characters

MAX_BLOCKS = 6
MAX_DENSE = 4
SMALLEST_IMAGE_SIZE, LARGEST_IMAGE_SIZE = 8, 1024


def plain_text(text: str) -> str:
    """Return a text that terminals, tables and file systems take for no more than that."""
    if has_control_characters(text):
        raise ValueError("must hold no control characters")
    return text


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("must be odd")
    return number


PlainText = Annotated[str, AfterValidator(plain_text)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""Of epochs, images or pixels: what every library's integers can hold."""
Share = Annotated[float, Field(ge=0, lt=1)]
"""A rate at which something is dropped or smoothed: 0 is off, 1 would leave nothing."""
Coefficient = Annotated[float, Field(ge=0)]
Pool = Literal["max", "average"]
BatchNorm = Literal["none", "before", "after", "after_pool"]
Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "prelu"]
Head = Literal["flatten", "average", "max"]
OptimizerName = Literal[
    "sgd", "adam", "adamw", "nadam", "adamax", "adagrad", "adadelta", "rmsprop"
]


class Section(BaseModel):
    """A table of a configuration: frozen, no unknown fields, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Block(Section):
    """Convolutions of one width, then pooling and dropout."""

    width: int = Field(ge=1, le=4096)
    """Output channels of each convolution."""
    convolutions: int = Field(ge=1, le=2)
    kernel_size: Annotated[int, Field(ge=1, le=11), AfterValidator(_odd)]
    """Pixels; odd, so that padding keeps the size."""
    pool_size: int = Field(ge=1, le=16)
    """Pooling window = stride, in pixels; 1 is no pooling."""
    pool: Pool
    batch_norm: BatchNorm
    """Before or after each activation, or once after the pooling as in the MAMe experiments."""
    drop_rate: Share
    """Share of the block's outputs set to zero in training."""
    l1: Coefficient
    """Adds l1 * sum |w| over each kernel of the block to the loss of every step."""
    l2: Coefficient
    """Adds l2 * sum w^2 over each kernel of the block to the loss of every step."""


class Dense(Section):
    """A hidden dense layer: linear map, activation, dropout."""

    width: int = Field(ge=1, le=16384)
    drop_rate: Share
    l1: Coefficient
    l2: Coefficient


class Network(Section):
    """A plain convolutional network: blocks, a head that makes a vector, dense layers."""

    blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=MAX_BLOCKS, strict=False)]
    activation: Activation
    head: Head
    """How the last map becomes a vector: flattened, or averaged or maximised over its pixels."""
    head_drop_rate: Share
    """Share of that vector set to zero in training."""
    dense: Annotated[tuple[Dense, ...], Field(max_length=MAX_DENSE, strict=False)]


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
    before (`mame_cnn.weight_average`); 0 is the weights of the last step."""
    class_weights: Literal["none", "balanced"]
    """Balanced weighs class c by n / (n_c * number of classes)."""
    patience_epochs: Count
    """Early stopping after so many epochs without progress in validation; 0 is off."""


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


class Data(Section):
    """Which images; which *state* of them is the data's own digest."""

    source: PlainText = Field(min_length=1)
    """A folder, or `digits`."""
    image_size: int = Field(ge=SMALLEST_IMAGE_SIZE, le=LARGEST_IMAGE_SIZE)
    """Side of the square images in pixels."""


class Config(Section):
    """One training run, complete."""

    seed: int = Field(ge=0, lt=2**63)
    """Seeds the weights and dropout of this network."""
    data_seed: int = Field(ge=0, lt=2**63)
    """Seeds the order and augmentation of training images; equal throughout a study."""
    data: Data
    network: Network
    training: Training
    augmentation: Augmentation

    @property
    def digest(self) -> str:
        """12 hex digits of SHA-256 over all of it but where the images lie."""
        return digest(self.model_dump(mode="json", exclude={"data": {"source"}}))


def digest(content: Any) -> str:
    """Return 12 hex digits of SHA-256 over canonical JSON: the same in every process."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
