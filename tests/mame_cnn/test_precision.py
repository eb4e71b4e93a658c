from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.precision import choose_precision
from tests.mame_cnn.factory import make_config, make_data

CPU = torch.device("cpu")


@pytest.fixture(params=["avx512_bf16", "amx_bf16"])
def capable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {request.param: True})


@pytest.fixture
def incapable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})


@pytest.mark.usefixtures("capable")
def test_auto_is_bfloat16_where_the_processor_has_it() -> None:
    assert choose_precision("auto", CPU) == torch.bfloat16
    assert choose_precision("bfloat16", CPU) == torch.bfloat16
    assert choose_precision("float32", CPU) == torch.float32


@pytest.mark.usefixtures("incapable")
def test_auto_is_float32_elsewhere_and_bfloat16_is_refused_with_a_reason() -> None:
    assert choose_precision("auto", CPU) == torch.float32
    with pytest.raises(UserError, match=r"cpu has no .*avx512_bf16 or amx_bf16"):
        choose_precision("bfloat16", CPU)


class Convolutions(TorchDispatchMode):
    """Notes the type that every convolution computes in."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Tensor | Iterator[Tensor]:
        if func.overloadpacket is torch.ops.aten.convolution:
            self.types.add(args[0].dtype)
        answer: Tensor = func(*args, **(kwargs or {}))
        return answer


def test_in_bfloat16_convolutions_compute_in_it_and_weights_stay_float32() -> None:
    data = make_data(dtype=torch.float32, precision=torch.bfloat16)
    cohort = Cohort([make_config()], [0], data)
    with Convolutions() as convolutions:
        [result] = cohort.train_epoch()
    assert convolutions.types == {torch.bfloat16}
    assert {weight.dtype for weight in cohort.network.parameters()} == {torch.float32}
    assert cohort.logits(data.val).dtype == torch.float32
    assert result.failure is None


def test_bfloat16_moves_logits_by_its_rounding_alone() -> None:
    config = make_config(width=16, dense_width=32)
    exact, rounded = (
        Cohort([config], [0], make_data(dtype=torch.float32, precision=precision))
        for precision in (torch.float32, torch.bfloat16)
    )
    expected = exact.logits(exact.data.val)
    logits = rounded.logits(rounded.data.val)
    assert not torch.equal(logits, expected)
    # A bfloat16 has 8 significant bits: relative steps of 2^-8, and two blocks of them.
    assert F.mse_loss(logits, expected).sqrt() < 2 * 2**-8 * expected.std()
