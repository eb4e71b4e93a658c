"""Networks as training finds them: their first weights drawn, on the device."""

from collections.abc import Sequence

from mame_cnn.config import Config
from mame_cnn.device_data import DeviceData
from mame_cnn.network import CohortNetwork
from mame_cnn.seeds import generator


def newborn(configs: Sequence[Config], data: DeviceData) -> CohortNetwork:
    """Return the networks of configurations that share a fusion key, each drawn from its seed."""
    network = CohortNetwork(
        [config.network for config in configs],
        channels=data.channels,
        image_size=data.image_size,
        n_classes=data.n_classes,
    )
    network.initialise([generator(config.seed, "weights") for config in configs])
    network.precision = data.precision
    return network.to(data.scale)
