import json
from typing import Any

import pytest

from search.storages.journal_line import read_line

REPORT: dict[str, Any] = {
    "op_code": 7,
    "worker_id": "w",
    "trial_id": 3,
    "step": 1,
    "intermediate_value": 0.5,
}


def _line(**changes: Any) -> bytes:
    return json.dumps(REPORT | changes).encode()


def test_a_record_is_returned_as_it_is() -> None:
    assert read_line(_line() + b"\n") == REPORT


def test_a_report_that_is_not_finite_is_a_record() -> None:
    assert read_line(_line(intermediate_value=float("-inf")))["intermediate_value"] < 0


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"\n", "is empty"),
        (b"\0\0\0\n", "holds NUL bytes"),
        (b"\xff\xfe\x80\n", "is no JSON"),
        (b'{"op_code":7,"worker_id":"w","trial_i', "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[1, 2]", "no record of Optuna's"),
        (b'{"message": "hello"}', "no record of Optuna's"),
        (b'{"op_code":99,"worker_id":"w"}', "unknown op_code 99"),
        (b'{"op_code":true,"worker_id":"w"}', "unknown op_code True"),
        (b'{"op_code":7,"worker_id":"w"}', "without trial_id"),
        (_line(trial_id="3"), "trial_id is '3'"),
        (_line(trial_id=-1), "trial_id is -1"),
        (_line(step=2**70), "step is "),
        (_line(intermediate_value="best"), "intermediate_value is 'best'"),
        (_line(op_code=8, user_attr={"a": 1, "b": 2}), "user_attr is "),
        (_line(op_code=6, state=1, values=["best"]), "values is "),
        (_line(op_code=4, study_id=0, datetime_start=None, params=[]), "params is "),
        (_line(op_code=8, user_attr={"a": json.loads("[" * 90 + "]" * 90)}), "nested"),
    ],
)
def test_whatever_is_no_record_is_named(line: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_line(line)
