"""Between the first and the last step of an epoch, the host never waits for the device."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Never

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit
from tests.mame_cnn.factory import make_config, make_data

Shape = dict[str, Any]

SHAPES: list[Shape] = [
    {"batch_norm": "after_pool", "optimizer": "adam", "schedule": "cosine"},
    {"batch_norm": "before", "optimizer": "sgd", "activation": "prelu", "head": "average"},
    {"batch_norm": "after", "optimizer": "nadam", "pool": "average", "class_weights": "balanced"},
    {"batch_norm": "none", "optimizer": "adamax", "activation": "gelu", "head": "max"},
]
OWN: list[Shape] = [
    {"drop_rate": 0.2, "l1": 1e-3, "label_smoothing": 0.1, "zoom_fraction": 0.2},
    {"dense_drop_rate": 0.2, "weight_decay": 0.01, "rotation_degrees": 30.0},
    {"flip_horizontal": 0.5, "flip_vertical": 0.5, "crop_pad_px": 2},
]


def in_different_epochs(shape: Shape, data: DeviceData) -> Cohort:
    configs: list[Config] = [
        make_config(seed=seed, **shape, **own) for seed, own in enumerate(OWN)
    ]
    cohort = Cohort(configs[:2], [0, 1], data)
    cohort.train_epoch()
    cohort.admit(configs[2:], [2])
    return cohort


class _Waiting(TorchDispatchMode):
    """Fails at operations for which a GPU would make the host wait."""

    forbidden = (
        "_local_scalar_dense",  # a number asked for
        "lift_fresh",  # numbers of the host made a tensor, which would be copied to the device
        "equal",
        "nonzero",
        "masked_select",
        "_unique2",
    )

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        assert name not in self.forbidden, f"the host waits in {func}"
        if name in ("index", "index_put_"):
            masks = [i for i in args[1] if i is not None and i.dtype == torch.bool]
            assert not masks, "the host waits for the number of True in a mask"
        return func(*args, **(kwargs or {}))


@contextmanager
def no_waiting() -> Iterator[None]:
    """Fail where a GPU would make the host wait, though all is on the CPU."""

    def wait(*_: object) -> Never:
        raise AssertionError("the host waits for a copy")

    with pytest.MonkeyPatch.context() as patch, _Waiting():
        for name in ("tolist", "numpy", "cpu"):
            patch.setattr(Tensor, name, wait)
        yield


@pytest.mark.parametrize(
    "wait",
    [
        lambda numbers: numbers[0].item(),
        lambda numbers: bool(numbers[0] > 1),
        lambda numbers: numbers.tolist(),
        lambda numbers: numbers[numbers > 1],
        lambda numbers: numbers.new_tensor([1.0]),
        lambda numbers: numbers[[0, 1]],
        lambda numbers: numbers.cpu(),
    ],
)
def test_waiting_is_noticed_on_a_cpu(wait: Callable[[Tensor], object]) -> None:
    with no_waiting(), pytest.raises(AssertionError, match="the host waits"):
        wait(torch.arange(3.0))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape["optimizer"]))
def test_the_steps_do_nothing_that_waits(shape: Shape) -> None:
    cohort = in_different_epochs(shape, make_data())
    epoch = cohort.prepare_epoch()
    with no_waiting():
        losses, _ = cohort.train_steps(epoch.steps)
    assert losses.isfinite().all()


def test_an_epoch_waits_for_the_device_in_a_way_that_hears_signals_and_then_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cohort = in_different_epochs(SHAPES[0], make_data())
    done: list[object] = []
    tolist = Tensor.tolist

    def read(tensor: Tensor) -> Any:
        done.append("read")
        return tolist(tensor)

    monkeypatch.setattr("mame_cnn.cohorts.cohort.wait_for", done.append)
    monkeypatch.setattr(Tensor, "tolist", read)
    cohort.train_epoch()
    assert done == [torch.device("cpu"), "read"]


def on_gpu(data: DeviceData, *, streamed: bool) -> DeviceData:
    """Return the data on the GPU, training images only where they are not to be streamed."""
    device = torch.device("cuda", torch.cuda.current_device())
    train_images = data.train.images if streamed else data.train.images.to(device)
    return replace(
        data,
        train=DeviceSplit(train_images, data.train.labels.to(device)),
        val=DeviceSplit(data.val.images.to(device), data.val.labels.to(device)),
        **{name: getattr(data, name).to(device) for name in ("scale", "offset", "class_weights")},
    )


@pytest.mark.gpu
@pytest.mark.parametrize("streamed", [False, True], ids=["resident", "streamed"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape["optimizer"]))
def test_a_gpu_is_never_waited_for_in_the_steps(shape: Shape, streamed: bool) -> None:
    data = on_gpu(make_data(dtype=torch.float32), streamed=streamed)
    cohort = in_different_epochs(shape, data)
    epoch = cohort.prepare_epoch()
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses, _ = cohort.train_steps(epoch.steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert losses.isfinite().all()


@pytest.mark.gpu
def test_a_gpu_trains_on_streamed_images_as_on_resident_ones() -> None:
    data = make_data(n_train=200)
    cohorts = [
        in_different_epochs(SHAPES[0], on_gpu(data, streamed=streamed))
        for streamed in (False, True)
    ]
    resident, streamed = (cohort.train_epoch() for cohort in cohorts)
    for result, expected in zip(streamed, resident, strict=True):
        assert result.metrics == pytest.approx(expected.metrics, abs=1e-9)
