"""What `search.run` does as one of several workers."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from commands.errors import UserError
from search import run


@pytest.mark.parametrize(("device", "expected"), [("cuda", 0), ("cuda:1", 1)])
def test_a_worker_takes_its_gpu_whether_or_not_it_has_a_number(
    device: str, expected: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A scheduler such as Ray shows a worker its own GPU alone, which then needs no number.
    taken: list[int] = []
    monkeypatch.setattr(torch._C, "_cuda_setDevice", taken.append, raising=False)

    def refuse(*_: Sequence[Any], **__: object) -> None:
        raise UserError("so far, so good")

    for name, stand_in in (("_prepare", refuse), ("stop_with_parent", lambda: None)):
        monkeypatch.setattr(run, name, stand_in)
    monkeypatch.setattr(run, "choose_precision", lambda *_: torch.float32)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    assert run.main(["--as-worker", device, "1", "inf", "", "space.py"]) == 2
    assert taken == [expected]
    assert "so far, so good" in capsys.readouterr().out
