"""How much memory a step of training needs, told from shapes before anything is allocated.

The network is built and run on torch's meta device, where tensors have shapes and no content:
whatever its layers save for the backward pass is counted, and nothing is computed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mame_cnn.cohorts.optimizers import RULES
from mame_cnn.configuration.config import Config
from mame_cnn.families.network import CohortNetwork, build_network
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.models.logits import evaluation_batch

FRAGMENTATION = 1.25
"""Activations take so much more room than their bytes, as freed places do not fit them."""
N_TEMPORARIES = 3
"""Of the size of the largest tensor: its gradient, that of what it came from, a reordered copy."""


@dataclass(frozen=True)
class StepMemory:
    """Bytes for each member of a cohort."""

    kept: int
    """Between steps: weights, gradients, optimiser state."""
    training: int
    """Beside those in a step of training, at its peak."""
    evaluating: int
    """Beside those for each image of a step of an evaluation."""
    batch_size: int
    n_val: int

    def total(self, n_members: int) -> int:
        """Return the bytes that a cohort takes at its peak."""
        n_evaluated = min(self.n_val, evaluation_batch(n_members, self.batch_size))
        return n_members * (self.kept + max(self.training, n_evaluated * self.evaluating))


def step_memory(config: Config, data: DeviceData) -> StepMemory:
    """Return what each member of a cohort of this configuration needs.

    Each member may see other images, so each has its own batch. On a CPU, the resident memory of
    12 cohorts grew by 57 to 107 % of the result (MAMe experiments 7 and 11 and variants of them,
    64 and 256 pixels, 1 to 4 members, float32).
    """
    batch_size = min(config.training.batch_size, len(data.train))
    side = data.image_size
    with torch.device("meta"):
        network = build_network(
            [config.network], channels=data.channels, image_size=side, n_classes=data.n_classes
        )
        images = torch.empty(batch_size, data.channels, side, side, dtype=data.precision)
    network.begin([config.training.epochs - 1])  # when the most is trained that ever is
    saved, passed = _activations(network.to(data.precision), images)
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    weights = n_weights * data.scale.element_size()
    # Normalised pixels, changed ones, one more copy, and the places they are read from.
    augmenting = 3 * images.nbytes + 4 * images[:, 0].nbytes
    stepping = round(FRAGMENTATION * sum(saved)) + N_TEMPORARIES * max(saved) + 3 * weights
    n_states = len(RULES[config.training.optimizer.name][1])
    return StepMemory(
        kept=(2 + n_states) * weights,
        training=max(stepping, augmenting),
        evaluating=round(FRAGMENTATION * (passed + 2 * images.nbytes)) // batch_size,
        batch_size=batch_size,
        n_val=len(data.val),
    )


def _activations(network: CohortNetwork, images: Tensor) -> tuple[list[int], int]:
    """Return the bytes of each tensor saved for the backward pass, weights apart.

    And the most that a layer takes and returns, with what layers around it hold meanwhile.
    """
    saved: list[Tensor] = []
    passed = held = 0

    def note(tensor: Tensor) -> None:
        saved.append(tensor)

    def hold(_: nn.Module, taken: tuple[object, ...]) -> None:
        nonlocal held
        held += _n_bytes(taken)

    def weigh(module: nn.Module, taken: tuple[object, ...], returned: object) -> None:
        nonlocal passed, held
        held -= _n_bytes(taken) if _holds(module) else 0
        passed = max(passed, held + _n_bytes(taken) + _n_bytes(returned))

    for module in network.modules():
        if _holds(module):
            module.register_forward_pre_hook(hold)
        module.register_forward_hook(weigh)
    network.set_dropout_generators([torch.Generator()])
    with torch.autograd.graph.saved_tensors_hooks(note, lambda nothing: nothing):
        logits = network.train()(images)
    # By address, as many tensors are views of one storage. The logits hold the graph till here.
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in saved}
    for parameter in network.parameters():
        storages.pop(parameter.untyped_storage()._cdata, None)
    sizes = [logits.nbytes, *(storage.nbytes() for storage in storages.values())]
    saved.clear()  # the graph holds the hooks, they this list, and it the graph: never collected
    return sizes, passed


def _holds(module: nn.Module) -> bool:
    """Whether a layer's input lives while its parts compute, such as beside a shortcut."""
    is_chain = isinstance(module, nn.Sequential | CohortNetwork)
    return any(module.children()) and not is_chain


def _n_bytes(passed: object) -> int:
    """Return the bytes of a tensor, or of all in a list."""
    if isinstance(passed, Tensor):
        return passed.nbytes
    return sum(map(_n_bytes, passed)) if isinstance(passed, list | tuple) else 0
