"""Networks as training finds them: their first weights drawn, on the device."""

from collections.abc import Sequence

import torch

from mame_cnn.configuration.config import Config
from mame_cnn.families.network import CohortNetwork, build_network
from mame_cnn.families.pretrained import PretrainedNetwork
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.seeds import generator


def newborn(configs: Sequence[Config], data: DeviceData) -> CohortNetwork:
    """Return the networks of configurations that share a fusion key, each drawn from its seed."""
    network = build_network(
        [config.network for config in configs],
        channels=data.channels,
        image_size=data.image_size,
        n_classes=data.n_classes,
    )
    network.initialise([generator(config.seed, "weights") for config in configs])
    _bias_outputs(network, configs, data)
    if isinstance(network, PretrainedNetwork):
        network.fit_to(data.scale, data.offset, configs[0].data.normalisation)
    network.precision = data.precision
    return network.to(data.scale)


@torch.no_grad()
def _bias_outputs(network: CohortNetwork, configs: Sequence[Config], data: DeviceData) -> None:
    """Let the outputs of those that want it begin at the classes' frequencies."""
    for slot, config in enumerate(configs):
        if config.training.initial_bias == "frequencies":
            # Softmax of the logarithms of shares that sum to 1 is these shares.
            network.output_bias[slot] = data.frequencies.log()
