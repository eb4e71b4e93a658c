import gc

import pytest
import torch

from mame_cnn.data.load import load_dataset
from mame_cnn.device import DeviceError
from mame_cnn.inputs.device_data import to_device
from mame_cnn.trials import cohort_size
from mame_cnn.trials.cohort_size import best_size, fastest_size
from tests.mame_cnn.factory import make_config, make_data

DATA = make_data(dtype=torch.float32)


@pytest.mark.parametrize(
    ("images_per_s", "most", "best"),
    [
        ({1: 100, 2: 105}, 16, 1),
        ({1: 100, 2: 190, 4: 205}, 16, 2),
        ({1: 100, 2: 111, 4: 123, 8: 130}, 16, 4),
        ({1: 100, 2: 190, 4: 350}, 4, 4),
        ({1: 100, 2: 190, 4: 350}, 7, 4),
        ({1: 100}, 1, 1),
        ({1: 0, 2: 0}, 2, 1),
    ],
)
def test_sizes_double_while_that_trains_a_tenth_more_images(
    images_per_s: dict[int, float], most: int, best: int
) -> None:
    assert best_size(images_per_s.__getitem__, most=most) == best


def test_a_cpu_that_one_network_keeps_busy_tries_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def slow(config: object, size: int, data: object) -> float:
        tried.append(size)
        return 8 / 0.06 * size  # batches of 8 images, 60 ms a step

    monkeypatch.setattr(cohort_size, "_images_per_s", slow)
    assert fastest_size(make_config(batch_size=8), DATA, most=16) == 1
    assert tried == [1]


def test_sizes_for_which_memory_is_short_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(config: object, size: int, data: object) -> float:
        if size > 2:
            raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")
        return 1e6 * size

    monkeypatch.setattr(cohort_size, "_images_per_s", short)
    assert fastest_size(make_config(), DATA, most=16) == 2


def test_sizes_that_the_device_cannot_compute_are_told_and_not_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unable(config: object, size: int, data: object) -> float:
        if size > 2:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED\nMore")
        return 1e6 * size

    monkeypatch.setattr(cohort_size, "_images_per_s", unable)
    assert fastest_size(make_config(), DATA, most=16) == 2
    expected = "4 networks cannot train together: cuDNN error: CUDNN_STATUS_NOT_SUPPORTED\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("failing_size", [1, 2])
@pytest.mark.parametrize("has_failed", [True, False])
def test_what_one_network_raises_is_raised_and_a_failed_device_at_any_size(
    failing_size: int, has_failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(config: object, size: int, data: object) -> float:
        if size == failing_size:
            raise RuntimeError("no kernel")
        return 1e6

    def check(device: torch.device, error: Exception) -> None:
        if has_failed:
            raise DeviceError("cuda has failed")

    monkeypatch.setattr(cohort_size, "_images_per_s", failing)
    monkeypatch.setattr(cohort_size, "check_device", check)
    if failing_size == 1 or has_failed:
        with pytest.raises(DeviceError if has_failed else RuntimeError):
            fastest_size(make_config(), DATA, most=16)
    else:
        assert fastest_size(make_config(), DATA, most=16) == 1


@pytest.mark.gpu
def test_a_gpu_tells_how_many_train_fastest() -> None:
    data = to_device(load_dataset("digits"), torch.device("cuda"), precision=torch.bfloat16)
    assert fastest_size(make_config(image_size=32), data, most=4) in (1, 2, 4)


def test_trying_leaves_no_tensors_and_no_random_state_behind() -> None:
    state = torch.get_rng_state()
    n_tensors = _n_tensors()
    assert fastest_size(make_config(drop_rate=0.1), DATA, most=2) in (1, 2)
    assert _n_tensors() == n_tensors
    assert torch.equal(torch.get_rng_state(), state)


def _n_tensors() -> int:
    gc.collect()
    return sum(type(one) is torch.Tensor for one in gc.get_objects())
