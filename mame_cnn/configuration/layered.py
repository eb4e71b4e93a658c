"""The shapes of networks that are built here, a table for each family; `family` tells them apart.

Each block has its own drop rate and penalties, which a cohort's members may differ in
(`mame_cnn.configuration.fusion`); all else is shape. How a family is built is in
`mame_cnn.families`.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mame_cnn.configuration.section import Coefficient, Section, Share

MAX_BLOCKS = 6
MAX_DENSE = 4
MAX_UNITS = 64

Pool = Literal["max", "average"]
BatchNorm = Literal["none", "before", "after", "after_pool"]
Activation = Literal[
    "relu", "leaky_relu", "elu", "gelu", "silu", "relu6", "prelu", "prelu_per_unit"
]
"""`prelu` learns one slope a layer, `prelu_per_unit` one a channel or unit."""
Head = Literal["flatten", "average", "max"]
Metadata = Literal["none", "size"]
"""What joins the head's vector behind its dropout: nothing, or width, height and aspect ratio of
the original photograph (`mame_cnn.data.metadata`), which tell how a museum photographs."""


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("must be odd")
    return number


Width = Annotated[int, Field(ge=1, le=4096)]
"""Channels of a map."""
KernelSize = Annotated[int, Field(ge=1, le=11), AfterValidator(_odd)]
"""Pixels; odd, so that padding keeps the size."""
Stride = Annotated[int, Field(ge=1, le=4)]
"""Pixels from one place of a kernel to the next; 1 keeps the size."""


class Coefficients(Section):
    """What members of a cohort may differ in, of one layer or block."""

    drop_rate: Share
    """Share of its outputs set to zero in training."""
    l1: Coefficient
    """Adds l1 * sum |w| over each of its kernels to the loss of every step."""
    l2: Coefficient
    """Adds l2 * sum w^2 over each of its kernels to the loss of every step."""


class Block(Coefficients):
    """Convolutions of one width, then pooling and dropout."""

    width: Width
    """Output channels of each convolution."""
    convolutions: int = Field(ge=1, le=4)
    kernel_size: KernelSize
    pool_size: int = Field(ge=1, le=16)
    """Pooling window = stride, in pixels; 1 is no pooling."""
    pool: Pool
    batch_norm: BatchNorm
    """Before or after each activation, or once after the pooling as in the MAMe experiments."""


class Dense(Coefficients):
    """A hidden dense layer: linear map, activation, dropout."""

    width: int = Field(ge=1, le=16384)


Denses = Annotated[tuple[Dense, ...], Field(max_length=MAX_DENSE, strict=False)]


class Plain(Section):
    """A plain convolutional network: blocks, a head that makes a vector, dense layers."""

    family: Literal["plain"]
    blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=MAX_BLOCKS, strict=False)]
    activation: Activation
    head: Head
    """How the last map becomes a vector: flattened, or averaged or maximised over its pixels."""
    head_drop_rate: Share
    """Share of that vector set to zero in training."""
    metadata: Metadata
    dense: Denses


class VggBlock(Coefficients):
    """3 x 3 convolutions of one width, then 1 x 1 convolutions, then pooling by 2."""

    width: Width
    convolutions: int = Field(ge=1, le=4)
    pointwise: int = Field(ge=0, le=2)
    """1 x 1 convolutions after those of 3 x 3."""

    @property
    def pool_size(self) -> int:
        """Pixels that become one."""
        return 2


class Vgg(Section):
    """A network after VGG (Simonyan & Zisserman 2015, arXiv 1409.1556, table 1)."""

    family: Literal["vgg"]
    blocks: Annotated[
        tuple[VggBlock, ...], Field(min_length=1, max_length=MAX_BLOCKS, strict=False)
    ]
    pool: Pool
    batch_norm: BatchNorm
    """Before or after each convolution's activation, or once after a block's pooling."""
    activation: Activation
    """Of the convolutions."""
    head: Head
    head_drop_rate: Share
    metadata: Metadata
    dense: Denses
    dense_batch_norm: Literal["none", "before", "after"]
    """Of hidden dense layers, before or after their activation."""
    dense_activation: Activation


class UnitBlock(Coefficients):
    """Units of one width, one after the other."""

    width: Width
    """Of each 3 x 3 convolution in ResNet, of each unit's output in MobileNet."""
    units: int = Field(ge=1, le=MAX_UNITS)
    stride: Stride
    """Of the first unit; the others keep the size."""


UnitBlocks = Annotated[
    tuple[UnitBlock, ...], Field(min_length=1, max_length=MAX_BLOCKS, strict=False)
]


class ResNet(Section):
    """Bottlenecks with shortcuts (He et al. 2016, arXiv 1512.03385, section 4.1).

    The first convolution has the coefficients of the first block, but no dropout.
    """

    family: Literal["resnet"]
    stem_width: Width
    """Of the first convolution."""
    stem_kernel_size: KernelSize
    stem_stride: Stride
    stem_pool: Literal["none", "max"]
    """After the first convolution: a window of 3 pixels and a stride of 2, or nothing."""
    blocks: UnitBlocks
    expansion: int = Field(ge=1, le=8)
    """A unit puts out so many times its block's width; 4 in the paper."""
    activation: Activation
    head: Head
    head_drop_rate: Share
    metadata: Metadata
    dense: Denses


class MobileNet(Section):
    """Inverted residuals (MobileNetV2, Sandler et al. 2018, arXiv 1801.04381, table 2).

    The first convolution has the coefficients of the first block, the last convolution those of
    the last block; neither has dropout.
    """

    family: Literal["mobilenet"]
    stem_width: Width
    """Of the first convolution, which is 3 x 3."""
    stem_stride: Stride
    blocks: UnitBlocks
    expansion: int = Field(ge=1, le=8)
    """A unit computes in so many times the channels that it takes; 6 in the paper."""
    last_width: Width
    """Of the 1 x 1 convolution after the blocks."""
    activation: Activation
    """ReLU6 in the paper; projections have none."""
    head: Head
    head_drop_rate: Share
    metadata: Metadata
    dense: Denses


class DenseBlock(Coefficients):
    """Units of which each sees what all before it have put out, and a transition after them."""

    units: int = Field(ge=1, le=MAX_UNITS)

    @property
    def pool_size(self) -> int:
        """Pixels that the transition makes one of."""
        return 2


class DenseNet(Section):
    """Densely connected blocks, of which some may be cut (Huang et al. 2017, arXiv 1608.06993).

    As torchvision builds it: no biases in convolutions, units that first narrow to 4 * growth
    channels, a transition after each block but the last. Average pooling makes the vector.
    """

    family: Literal["densenet"]
    stem_width: Width
    """Of the first convolution: 64 in DenseNet-121."""
    growth: Width
    """Channels that each unit adds: 32 in DenseNet-121."""
    blocks: Annotated[
        tuple[DenseBlock, ...], Field(min_length=1, max_length=MAX_BLOCKS, strict=False)
    ]
    """Those of the whole network: 6, 12, 24 and 16 units in DenseNet-121."""
    cut: int = Field(ge=0, le=MAX_BLOCKS)
    """So many blocks are left out from the end; then the network ends with the transition
    before them."""
    activation: Activation
    """Of hidden dense layers; ReLU elsewhere."""
    head_drop_rate: Share
    dense: Denses

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.cut >= len(self.blocks):
            raise ValueError(
                f"cut: {self.cut} of {len(self.blocks)} blocks leaves nothing; "
                f"expected at most {len(self.blocks) - 1}"
            )
        return self


Blocked = Plain | Vgg | ResNet | MobileNet | DenseNet
"""Families whose configuration has blocks and dense layers."""
