import weakref
from collections.abc import Callable

import pytest
import torch

from mame_cnn.device import DeviceError
from mame_cnn.memory import room
from mame_cnn.memory.room import check_room, halved_until_it_fits, is_shortage, within_memory
from mame_cnn.memory.step_memory import StepMemory

CPU = torch.device("cpu")
GIB = 2**30
# Each takes 3 GiB: 1 of weights and the like, 2 more in a step.
NEED = StepMemory(kept=GIB, training=2 * GIB, evaluating=0, batch_size=8, n_val=8)


@pytest.fixture(autouse=True)
def ten_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "usable_bytes", lambda device: 10 * GIB)


@pytest.mark.parametrize(("wanted", "fitting"), [(1, 1), (2, 2), (3, 3), (4, 2), (7, 3), (64, 2)])
def test_a_cohort_is_halved_until_it_fits(wanted: int, fitting: int) -> None:
    assert halved_until_it_fits(wanted, NEED, CPU) == fitting


def test_at_least_one_is_tried_even_where_it_does_not_fit() -> None:
    assert halved_until_it_fits(8, StepMemory(11 * GIB, 0, 0, 8, 8), CPU) == 1


def test_what_does_not_fit_says_what_it_needs_and_what_there_is() -> None:
    check_room(3, NEED, CPU)
    with pytest.raises(MemoryError, match=r"^4 networks need 12\.0 GiB for a step, 10\.0 GiB are"):
        check_room(4, NEED, CPU)
    with pytest.raises(MemoryError, match=r"^one network needs 10\.5 GiB for a step, 10\.0 GiB a"):
        check_room(1, StepMemory(10 * GIB + GIB // 2, 0, 0, 8, 8), CPU)


def test_weights_that_are_there_need_no_room() -> None:
    check_room(4, NEED, CPU, n_there=2)


def _out_of_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def _cannot_allocate() -> None:
    # Word for word what torch says of `torch.empty(2**60)`; to try it would make glibc's malloc
    # give up the heap for the rest of the process.
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
        "memory: you tried to allocate 1152921504606846976 bytes. Error code 12 "
        "(Cannot allocate memory)"
    )


@pytest.mark.parametrize("act", [_out_of_memory, _cannot_allocate], ids=["gpu", "cpu"])
def test_a_failing_allocation_is_a_shortage_that_keeps_nothing_alive(
    act: Callable[[], None],
) -> None:
    made: list[weakref.ref[torch.Tensor]] = []

    def step() -> None:
        activations = torch.zeros(10)
        made.append(weakref.ref(activations))
        act()

    with pytest.raises(MemoryError, match=r"^2 networks need 6\.0 GiB for a step") as caught:
        within_memory(step, 2, NEED, CPU)
    assert made[0]() is None
    assert "allocate" in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
        "CUDA error: out of memory",
    ],
)
def test_shortages_that_libraries_of_gpus_tell_are_known(said: str) -> None:
    assert is_shortage(RuntimeError(said))
    assert is_shortage(torch.AcceleratorError(said))


@pytest.mark.parametrize(("n_members", "expected"), [(1, RuntimeError), (2, MemoryError)])
def test_a_layer_without_an_engine_lacks_memory_only_where_it_is_tight(
    n_members: int, expected: type[Exception]
) -> None:
    def step() -> None:
        raise RuntimeError("GET was unable to find an engine to execute this computation")

    with pytest.raises(expected, match="unable to find an engine"):  # 3 or 6 of 10 GiB
        within_memory(step, n_members, NEED, CPU)


@pytest.mark.parametrize("has_failed", [True, False])
def test_a_gpu_that_has_failed_ends_the_process_and_one_that_has_not_does_not(
    has_failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step() -> None:
        raise RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED\nMore")

    def synchronize(device: torch.device) -> None:
        if has_failed:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    with pytest.raises(DeviceError if has_failed else RuntimeError) as raised:
        within_memory(step, 2, NEED, torch.device("cuda:1"))
    if has_failed:
        expected = "cuda:1 has failed: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"
        assert str(raised.value) == expected


@pytest.mark.gpu
def test_a_gpu_that_is_full_is_a_shortage() -> None:
    device = torch.device("cuda")
    _, total = torch.cuda.mem_get_info(device)
    with pytest.raises(MemoryError, match=r"^one network needs"):
        within_memory(
            lambda: torch.empty(2 * total, dtype=torch.uint8, device=device), 1, NEED, device
        )
    assert torch.ones(2, device=device).sum().item() == 2  # and the process goes on


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        within_memory(lambda: torch.ones(2) @ torch.ones(3), 1, NEED, CPU)
