"""The training of a cohort on fake tensors of a GPU: each operation's devices, types and shapes.

Where a tensor of the host meets one of the GPU, a fake operation raises as a real one would. It
computes no numbers. What a machine without a GPU cannot fake is stood in for: random generators of
the GPU, the engine of autograd, and pinned memory.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from mame_cnn.cohorts import cohort as cohorts
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.health import vital_columns
from mame_cnn.cohorts.newborn import newborn
from mame_cnn.configuration.config import Config
from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.inputs import batches, device_data, streaming
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit, with_validation
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config, make_data

GPU = torch.device("cuda:0")


class OnlyTheGpu(TorchDispatchMode):
    """Refuses operations on tensors of the host but for numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for given in torch.utils._pytree.tree_leaves((args, kwargs)):
            if isinstance(given, Tensor) and given.ndim:
                assert given.device == GPU, f"{func} of a tensor on {given.device}"
        return func(*args, **(kwargs or {}))


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def of_the_host(*parts: str | int, device: object = None) -> torch.Generator:
        return generator(*parts)

    def gradients(loss: Tensor, params: Any, **_: object) -> tuple[Tensor, ...]:
        assert loss.device == GPU
        assert loss.requires_grad
        return tuple(map(torch.empty_like, params))

    for module in (cohorts, batches):
        monkeypatch.setattr(module, "generator", of_the_host)
    monkeypatch.setattr(cohorts, "newborn", _newborn)
    monkeypatch.setattr(cohorts, "chance", lambda *_: None)
    monkeypatch.setattr(streaming, "sent", _sent)
    monkeypatch.setattr(torch.autograd, "grad", gradients)
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def _newborn(configs: list[Config], data: DeviceData) -> CohortNetwork:
    """Return a network whose first weights are real, and then fake ones of the GPU."""
    with unset_fake_temporarily():
        network = newborn(configs, make_data(image_size=data.image_size, dtype=torch.float32))
    for module in network.modules():
        for name, weights in module._parameters.items():
            if weights is not None:
                module._parameters[name] = nn.Parameter(torch.empty(weights.shape, device=GPU))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, device=GPU)
    network.precision = data.precision
    return network


def _sent(images: Tensor, rows: Tensor, device: torch.device) -> Iterator[Tensor]:
    for own in rows:
        assert images.device.type == own.device.type == "cpu"
        yield images.index_select(0, own).to(device)


def fake_data(precision: torch.dtype, train_images: str, size: int) -> DeviceData:
    def split(n: int, place: str) -> DeviceSplit:
        images = torch.zeros(n, size, size, 3, dtype=torch.uint8, device=place)
        return DeviceSplit(images, torch.zeros(n, dtype=torch.int64, device=GPU))

    return DeviceData(
        train=split(16, train_images),
        val=split(10, "cuda:0"),
        n_classes=3,
        channels=3,
        image_size=size,
        scale=torch.zeros(3, 1, 1, device=GPU),
        offset=torch.zeros(3, 1, 1, device=GPU),
        class_weights=torch.ones(3, device=GPU),
        precision=precision,
    )


def train(cohort: Cohort) -> None:
    """Train an epoch as `train_epoch` does, but for what it reads."""
    epoch = cohort.prepare_epoch()
    steps = list(epoch.steps)
    with OnlyTheGpu():  # type: ignore[no-untyped-call]  # torch has not typed it
        of_steps = cohort.train_steps(steps)
    with cohort._averaging.in_place_of(cohort._averaged):
        of_val = cohort._validate()
    flat = cohort._flat
    vitals = vital_columns(flat.weights, flat.gradients, list(cohort._optimizer.state.values()))
    assert {column.device for column in (*of_steps, *of_val, *vitals.values())} == {GPU}
    for progress in cohort.progress:
        progress.epoch += 1


SHAPES: list[dict[str, Any]] = [
    {"batch_norm": "after_pool", "optimizer": "adam", "schedule": "cosine"},
    {"batch_norm": "before", "optimizer": "sgd", "activation": "prelu", "head": "average"},
    {"batch_norm": "after", "optimizer": "nadam", "class_weights": "balanced"},
    {"batch_norm": "none", "optimizer": "adamax", "activation": "gelu", "head": "max"},
    {"optimizer": "adagrad", "activation": "prelu_per_unit", "pool": "average"},
    {"optimizer": "adadelta", "initial_bias": "frequencies"},
    {"optimizer": "rmsprop"},
    {"optimizer": "adamw", "schedule": "one_cycle"},
    {"family": "vgg", "image_size": 32},
    {"family": "resnet", "image_size": 32},
    {"family": "mobilenet", "image_size": 32},
    {"family": "densenet", "image_size": 32, "growth": 4, "units": 2},
]
OWN: list[dict[str, Any]] = [
    {"drop_rate": 0.2, "l1": 1e-3, "label_smoothing": 0.1, "zoom_fraction": 0.2, "ema_decay": 0.9},
    {"dense_drop_rate": 0.2, "weight_decay": 0.01, "rotation_degrees": 30.0, "color_pca_sd": 0.1},
    {"flip_horizontal": 0.5, "flip_vertical": 0.5, "crop_pad_px": 2},
]


@pytest.mark.usefixtures("fake_gpu")
@pytest.mark.parametrize(
    ("shape", "precision", "train_images"),
    [
        *((shape, torch.bfloat16, "cuda:0") for shape in SHAPES),
        (SHAPES[1], torch.float32, "cuda:0"),
        (SHAPES[2], torch.bfloat16, "cpu"),
    ],
)
def test_no_step_mixes_the_host_and_the_gpu(
    shape: dict[str, Any], precision: torch.dtype, train_images: str
) -> None:
    first, second, third = (
        make_config(seed=seed, **{"image_size": 16} | shape | own) for seed, own in enumerate(OWN)
    )
    data = fake_data(precision, train_images, shape.get("image_size", 16))
    cohort = Cohort([first, second], [0, 1], data)
    train(cohort)
    snapshot = cohort.snapshot(0)
    for kept in (snapshot.weights, snapshot.optimizer, snapshot.average):
        assert all(tensor.device.type == "cpu" for tensor in kept.values())
    cohort.admit([third], [2])
    train(cohort)
    cohort.drop([1])
    train(cohort)
    assert all(tensor.device.type == "cpu" for tensor in cohort.member_state(0).values())
    train(Cohort([first], [0], data, snapshots=[snapshot]))


@pytest.mark.usefixtures("fake_gpu")
@pytest.mark.parametrize(("n_free", "place"), [(10**6, "cuda"), (10**4, "cpu")])
def test_validation_images_join_where_there_is_room_for_both(
    n_free: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = fake_data(torch.float32, "cuda:0", 16)
    # How long it is depends on numbers, which fake tensors have not.
    monkeypatch.setattr(torch, "bincount", lambda *_, **__: torch.ones(3, device=GPU))
    monkeypatch.setattr(device_data, "_free_bytes", lambda device: n_free)
    joined = with_validation(replace(data, digest="d"))
    assert joined.train.images.device.type == place
    assert joined.train.labels.device == GPU
    assert len(joined.train) == 26
