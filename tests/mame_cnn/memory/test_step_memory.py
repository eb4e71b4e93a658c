from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.memory.step_memory import step_memory
from tests.mame_cnn.factory import make_config, make_data

DATA = make_data(n_train=96, n_val=64, image_size=32, dtype=torch.float32)


class _LiveTensors(TorchDispatchMode):
    """Counts the bytes of all tensors made and still alive, and remembers the most."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                reference = StorageWeakRef(tensor.untyped_storage())
                self.alive[reference.cdata] = reference, tensor.untyped_storage().nbytes()
        self.alive = {key: one for key, one in self.alive.items() if not one[0].expired()}
        self.most = max(self.most, sum(n_bytes for _, n_bytes in self.alive.values()))
        return result


def most_bytes(configs: Sequence[Config], data: DeviceData) -> int:
    """Return the bytes of tensors that an epoch of a new cohort holds at its peak."""
    tensors = _LiveTensors()
    with tensors:
        cohort = Cohort(configs, range(len(configs)), data)
        for number, progress in enumerate(cohort.progress):
            progress.epoch = number  # so that each sees other images
        cohort.train_epoch()
    return tensors.most


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize(
    "params",
    [
        {"width": 8, "batch_size": 32, "rotation_degrees": 30.0},
        {"width": 8, "batch_size": 32, "batch_norm": "before", "drop_rate": 0.2},
        {"width": 8, "batch_size": 32, "activation": "gelu", "convolutions": 2},
        {"width": 8, "batch_size": 4, "head": "average"},
        {"width": 2, "batch_size": 2, "dense_width": 2000, "optimizer": "nadam"},
        {"width": 8, "batch_size": 32, "activation": "prelu", "pool": "average"},
        {"family": "vgg", "width": 8, "batch_size": 32},
        {"family": "resnet", "width": 8, "batch_size": 32, "stem_stride": 1, "expansion": 2},
        {"family": "mobilenet", "width": 8, "batch_size": 32, "stem_stride": 1},
        {"family": "densenet", "batch_size": 32, "growth": 8, "units": 3},
    ],
    ids=[
        *("augmented", "dropped", "gelu", "evaluated", "dense", "prelu"),
        *("vgg", "resnet", "mobilenet", "densenet"),
    ],
)
def test_the_estimate_covers_all_tensors_and_little_more(
    params: dict[str, Any], n_members: int
) -> None:
    configs = [make_config(seed=seed, image_size=32, **params) for seed in range(n_members)]
    estimate = step_memory(configs[0], DATA).total(n_members)
    most = most_bytes(configs, DATA)
    assert 0.4 * estimate < most <= estimate, most / estimate


def test_a_network_that_no_machine_can_hold_is_weighed_without_being_built() -> None:
    config = make_config(image_size=1024, width=4096, dense_width=16384, batch_size=4096)
    data = make_data(n_train=1, n_val=1, image_size=8)
    huge = DeviceData(**{**vars(data), "image_size": 1024})
    assert step_memory(config, huge).total(1) > 2**40
