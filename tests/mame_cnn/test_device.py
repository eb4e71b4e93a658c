import pytest
import torch

from commands.errors import UserError
from mame_cnn.device import choose_device, make_current


@pytest.fixture
def made_current(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the GPUs that torch was told to use, in order."""
    numbers: list[int] = []
    monkeypatch.setattr(torch._C, "_cuda_setDevice", numbers.append, raising=False)
    return numbers


@pytest.mark.parametrize(("name", "expected"), [("cpu", []), ("cuda", [0]), ("cuda:1", [1])])
def test_a_gpu_is_made_current_by_its_number_or_as_the_first(
    name: str, expected: list[int], made_current: list[int]
) -> None:
    make_current(torch.device(name))
    assert made_current == expected


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:x", ""])
def test_what_is_no_device_is_a_mistake(name: str) -> None:
    with pytest.raises(UserError, match="expected auto, cpu, cuda or cuda:NUMBER"):
        choose_device(name)


def test_a_gpu_that_is_not_there_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda") == torch.device("cuda")
    with pytest.raises(UserError, match="--device cuda:1: torch sees 1 CUDA devices here"):
        choose_device("cuda:1")
