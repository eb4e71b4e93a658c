"""The two MAMe experiments that throughput is measured with, in both sides' words."""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

# Not that of mame_cnn: the peer's process must not import it, and so take over its settings.
Value = str | int | float

AUGMENTATION: dict[str, Value] = {
    "rotation_degrees": 30.0,
    "shift_x_fraction": 0.1,
    "shift_y_fraction": 0.1,
    "flip_horizontal": 0.5,
}
"""Experiment 11's, whose shifts have no figure; both experiments are measured with it."""


@dataclass(frozen=True)
class Experiment:
    """A network as rows of its table: filters and pooling, normalisation, dense layers."""

    blocks: tuple[tuple[int, int], ...]
    """(output channels, pooling) of each block: one 3 x 3 convolution, ReLU, max-pooling."""
    n_normalised: int
    """Blocks, from the first, with batch normalisation after the pooling."""
    dense: tuple[int, ...]
    lr: float
    l1: tuple[float, ...]
    """Coefficient of the sum of |w| of each block's kernel, added to the loss."""
    l2: tuple[float, ...]
    """Coefficient of the sum of w^2, likewise."""

    def params(self) -> dict[str, Value]:
        """Return the flat parameters of this project."""
        params: dict[str, Value] = {
            "depth": len(self.blocks),
            "dense_depth": len(self.dense),
            "batch_size": BATCH_SIZE,
            "optimizer": "adam",
            "lr": self.lr,
        }
        for number, (width, pool_size) in enumerate(self.blocks, start=1):
            params[f"width_{number}"] = width
            params[f"pool_size_{number}"] = pool_size
            is_normalised = number <= self.n_normalised
            params[f"batch_norm_{number}"] = "after_pool" if is_normalised else "none"
            params[f"l1_{number}"] = self.l1[number - 1]
            params[f"l2_{number}"] = self.l2[number - 1]
        for number, width in enumerate(self.dense, start=1):
            params[f"dense_width_{number}"] = width
        return params

    def plain(self, image_size: int, n_classes: int) -> nn.Sequential:
        """Return the network as a user writes it with torch.nn."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = 3
        for number, (width, pool_size) in enumerate(self.blocks, start=1):
            layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=1)
            layers[f"relu{number}"] = nn.ReLU()
            layers[f"pool{number}"] = nn.MaxPool2d(pool_size)
            if number <= self.n_normalised:
                layers[f"norm{number}"] = nn.BatchNorm2d(width)
            channels, image_size = width, image_size // pool_size
        layers["flatten"] = nn.Flatten()
        features = channels * image_size**2
        for number, width in enumerate(self.dense, start=1):
            layers[f"linear{number}"] = nn.Linear(features, width)
            layers[f"dense_relu{number}"] = nn.ReLU()
            features = width
        layers["output"] = nn.Linear(features, n_classes)
        return nn.Sequential(layers)


BATCH_SIZE = 128
EXPERIMENTS = {
    # L2 on every convolution, then L1 on the deeper two; the coefficients of experiment 10.
    "7": Experiment(
        blocks=((16, 2), (32, 2), (64, 2), (128, 2)),
        n_normalised=4,
        dense=(64,),
        lr=5e-5,
        l1=(0.0, 0.0, 0.01, 0.01),
        l2=(0.001, 0.001, 0.001, 0.001),
    ),
    "11": Experiment(
        blocks=((32, 4), (64, 4), (128, 4)),
        n_normalised=2,
        dense=(512, 64),
        lr=2e-6,
        l1=(0.0, 0.0, 0.0),
        l2=(0.0, 0.0, 0.0),
    ),
}
