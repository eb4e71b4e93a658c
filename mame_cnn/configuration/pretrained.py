"""A backbone whose weights were learnt on other images, and a new head on it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from mame_cnn.configuration.layered import Activation, Denses, Head, MobileNet, Plain, ResNet, Vgg
from mame_cnn.configuration.section import Count, PlainText, Section, Share

MAX_UNFREEZING = 6

BackboneName = Literal[
    "vgg16", "vgg19", "resnet50", "mobilenet_v2", "efficientnet_v2_s", "densenet121"
]
"""Networks of torchvision; `mame_cnn.pretrained.backbones` cuts them into blocks."""
BACKBONE_BLOCKS: Mapping[str, int] = {
    **dict.fromkeys(("vgg16", "vgg19", "resnet50", "mobilenet_v2", "densenet121"), 5),
    "efficientnet_v2_s": 6,
}


class SeenVal(Section):
    """Data whose validation images were trained on, so that they prove nothing any more."""

    data_name: PlainText
    data_digest: PlainText
    image_size: int = Field(ge=1)

    def is_of(self, name: str, digest: str, image_size: int) -> bool:
        """Tell whether these data are the same; at another size only the name can tell."""
        if image_size == self.image_size:
            return digest == self.data_digest
        return name == self.data_name


class Trained(Section):
    """What this project trained, as the backbone of another network: all before its head."""

    network: Annotated[Plain | Vgg | ResNet | MobileNet, Field(discriminator="family")]
    channels: int = Field(ge=1, le=4)
    """Of the images that it was trained on."""
    seen_val: SeenVal | None = None
    """Where it was trained on validation images as well; left out where it was not."""

    @model_serializer(mode="wrap")
    def _without_none(self, serialised: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # TOML has no word for none, and digests are those of before there was such a field.
        content: dict[str, Any] = serialised(self)
        return {name: value for name, value in content.items() if value is not None}


class Unfreezing(Section):
    """From some epoch on, blocks of the backbone are trained as well."""

    after_epochs: Count
    """Epochs before this step; 0 for a step that holds from the first epoch."""
    from_block: int = Field(ge=1)
    """The first block that is trained, with all after it; blocks count from 1."""
    lr: float = Field(gt=0)
    """Learning rate from then on, in place of the optimizer's; a schedule multiplies it."""


class Pretrained(Section):
    """A backbone whose weights are read from a file, and a new head.

    Blocks that no step unfreezes stay as they were read, running statistics included. The
    update rule starts anew with each step. Weight decay and penalties act on the head alone.
    """

    family: Literal["pretrained"]
    backbone: BackboneName | Trained
    weights: PlainText = Field(min_length=1)
    """A file, or `torchvision` for what torchvision itself downloads."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")]
    """What the file's SHA-256 begins with; torchvision writes 8 digits into its files' names."""
    head: Head
    head_batch_norm: Literal["none", "before"]
    """Of the backbone's vector, before its dropout."""
    head_drop_rate: Share
    activation: Activation
    """Of hidden dense layers."""
    dense: Denses
    unfreezing: Annotated[tuple[Unfreezing, ...], Field(max_length=MAX_UNFREEZING, strict=False)]
    """In order; nothing: the backbone stays frozen."""

    @property
    def n_blocks(self) -> int:
        """The number of the backbone's blocks."""
        if isinstance(self.backbone, Trained):
            return len(self.backbone.network.blocks)
        return BACKBONE_BLOCKS[self.backbone]

    @property
    def first_trained(self) -> int:
        """The first block that is ever trained; one more than there are if none is."""
        return min((step.from_block for step in self.unfreezing), default=self.n_blocks + 1)

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        faults = [
            f"unfreezing.{number}.from_block: the backbone has {self.n_blocks} blocks, "
            f"got {step.from_block}"
            for number, step in enumerate(self.unfreezing)
            if step.from_block > self.n_blocks
        ]
        for number, (step, later) in enumerate(pairwise(self.unfreezing), start=1):
            if later.after_epochs <= step.after_epochs:
                faults.append(
                    f"unfreezing.{number}.after_epochs: expected more than the "
                    f"{step.after_epochs} of the step before, got {later.after_epochs}"
                )
            if later.from_block > step.from_block:
                faults.append(
                    f"unfreezing.{number}.from_block: expected at most the {step.from_block} of "
                    f"the step before, got {later.from_block}: what is trained stays trained"
                )
        if isinstance(self.backbone, Trained) and self.weights == "torchvision":
            faults.append("weights: torchvision has none for a network of this project")
        if faults:
            raise ValueError("; ".join(faults))
        return self
