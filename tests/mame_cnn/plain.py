"""Oracles made of plain torch.nn modules, each one network alone."""

from collections import OrderedDict

from torch import Tensor, nn

from mame_cnn.configuration.config import Plain

PLAIN_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "prelu": nn.PReLU,
}


class GlobalMean(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


class GlobalMax(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.flatten(2).max(2).values


def plain_network(
    network: Plain, *, channels: int, image_size: int, n_classes: int
) -> nn.Sequential:
    """Build the network as a person would with torch.nn, its names as in CohortNetwork."""
    activation = PLAIN_ACTIVATIONS[network.activation]
    blocks = []
    for block in network.blocks:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number in range(1, block.convolutions + 1):
            layers[f"conv{number}"] = nn.Conv2d(
                channels, block.width, block.kernel_size, padding="same"
            )
            if block.batch_norm == "before":
                layers[f"norm{number}"] = nn.BatchNorm2d(block.width)
            layers[f"activation{number}"] = activation()
            if block.batch_norm == "after":
                layers[f"norm{number}"] = nn.BatchNorm2d(block.width)
            channels = block.width
        pool = nn.MaxPool2d if block.pool == "max" else nn.AvgPool2d
        layers["pool"] = pool(block.pool_size)
        image_size //= block.pool_size
        if block.batch_norm == "after_pool":
            layers["norm"] = nn.BatchNorm2d(block.width)
        layers["dropout"] = nn.Dropout(block.drop_rate)
        blocks.append(nn.Sequential(layers))
    heads = {"flatten": nn.Flatten(), "average": GlobalMean(), "max": GlobalMax()}
    features = channels * image_size**2 if network.head == "flatten" else channels
    dense: OrderedDict[str, nn.Module] = OrderedDict()
    for number, layer in enumerate(network.dense, start=1):
        dense[f"linear{number}"] = nn.Linear(features, layer.width)
        dense[f"activation{number}"] = activation()
        dense[f"dropout{number}"] = nn.Dropout(layer.drop_rate)
        features = layer.width
    return nn.Sequential(
        OrderedDict(
            blocks=nn.Sequential(*blocks),
            head=heads[network.head],
            head_dropout=nn.Dropout(network.head_drop_rate),
            dense=nn.Sequential(dense),
            output=nn.Linear(features, n_classes),
        )
    )
