"""The networks of the spaces as a user writes them: flat parameters in, plain torch.nn out.

Nothing of this project's networks runs in here; it serves the script that searches are measured
against, and knows the parameters that the shipped spaces have, no others.
"""

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn

from commands.errors import UserError

Params = Mapping[str, Any]

DEFAULTS: dict[str, Any] = {
    "depth": 3,
    "width": 32,
    "width_growth": 2.0,
    "width_limit": 512,
    "convolutions": 1,
    "kernel_size": 3,
    "pool_size": 2,
    "pool": "max",
    "batch_norm": "after_pool",
    "activation": "relu",
    "drop_rate": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "head": "flatten",
    "head_drop_rate": 0.0,
    "dense_depth": 1,
    "dense_width": 64,
    "dense_drop_rate": 0.0,
    "batch_size": 64,
    "optimizer": "adam",
    "lr": 1e-3,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "flip_horizontal": 0.0,
    "flip_vertical": 0.0,
    "rotation_degrees": 0.0,
    "shift_x_fraction": 0.0,
    "shift_y_fraction": 0.0,
    "zoom_fraction": 0.0,
    "shear_fraction": 0.0,
}
"""What a parameter is that a space leaves out: the same as in this project's networks."""
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "prelu": nn.PReLU,
}
HEADS: dict[str, tuple[nn.Module, ...]] = {
    "flatten": (),
    "average": (nn.AdaptiveAvgPool2d(1),),
    "max": (nn.AdaptiveMaxPool2d(1),),
}


def check_known(names: Collection[str]) -> None:
    """Raise `UserError` for parameters that these networks and their training lack."""
    unknown = [name for name in names if _plain_name(name) not in DEFAULTS]
    if unknown:
        raise UserError(
            f"--space: the script it is measured against knows no {', '.join(unknown)}; "
            f"it knows {', '.join(DEFAULTS)}"
        )


def last_map_px(params: Params, image_size: int) -> int:
    """Return the side in pixels of the last block's map; 0 where nothing is left."""
    for block in range(1, params["depth"] + 1):
        image_size //= _of(params, "pool_size", block)
    return image_size


class PlainNetwork(nn.Module):
    """Blocks of convolutions and pooling, a head, dense layers."""

    def __init__(self, params: Params, *, image_size: int, n_classes: int) -> None:
        super().__init__()
        self._penalties: list[tuple[Tensor, float, float]] = []
        activation = ACTIVATIONS[params["activation"]]
        layers: list[nn.Module] = []
        channels = 3
        for block in range(1, params["depth"] + 1):
            width = _width(params, block)
            layers += self._block(params, block, channels, width, activation)
            channels = width
        layers += [*HEADS[params["head"]], nn.Flatten(), nn.Dropout(params["head_drop_rate"])]
        n_pixels = last_map_px(params, image_size) ** 2 if params["head"] == "flatten" else 1
        features = channels * n_pixels
        for number in range(1, params["dense_depth"] + 1):
            width = _of(params, "dense_width", number)
            drop_rate = _of(params, "dense_drop_rate", number)
            layers += [nn.Linear(features, width), activation(), nn.Dropout(drop_rate)]
            features = width
        self.layers = nn.Sequential(*layers, nn.Linear(features, n_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [N, K] of images [N, C, H, W]."""
        logits: Tensor = self.layers(images)
        return logits

    def penalty(self) -> Tensor | float:
        """Return the sum of l1 * sum |w| + l2 * sum w^2 over the blocks' kernels."""
        return sum(
            l1 * kernel.abs().sum() + l2 * kernel.pow(2).sum()
            for kernel, l1, l2 in self._penalties
            if l1 or l2
        )

    def kernels(self) -> list[Tensor]:
        """Return what weight decay acts on: the weights of convolutions and linear maps."""
        return [one.weight for one in self.layers if isinstance(one, (nn.Conv2d, nn.Linear))]

    def _block(
        self, params: Params, block: int, channels: int, width: int, activation: type[nn.Module]
    ) -> list[nn.Module]:
        kernel_size = _of(params, "kernel_size", block)
        batch_norm = _of(params, "batch_norm", block)
        layers: list[nn.Module] = []
        for _ in range(_of(params, "convolutions", block)):
            convolution = nn.Conv2d(channels, width, kernel_size, padding=kernel_size // 2)
            penalty = _of(params, "l1", block), _of(params, "l2", block)
            self._penalties.append((convolution.weight, *penalty))
            layers.append(convolution)
            if batch_norm == "before":
                layers.append(nn.BatchNorm2d(width))
            layers.append(activation())
            if batch_norm == "after":
                layers.append(nn.BatchNorm2d(width))
            channels = width
        pool = nn.MaxPool2d if _of(params, "pool", block) == "max" else nn.AvgPool2d
        layers.append(pool(_of(params, "pool_size", block)))
        if batch_norm == "after_pool":
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.Dropout(_of(params, "drop_rate", block)))
        return layers


def _of(params: Params, name: str, number: int) -> Any:
    """Return a block's or dense layer's own value, else the one for all."""
    return params.get(f"{name}_{number}", params[name])


def _width(params: Params, block: int) -> int:
    grown = round(params["width"] * params["width_growth"] ** (block - 1))
    return int(params.get(f"width_{block}", min(grown, params["width_limit"])))


def _plain_name(name: str) -> str:
    plain, _, number = name.rpartition("_")
    return plain if number.isdigit() else name
