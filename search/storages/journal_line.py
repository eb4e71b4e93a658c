"""What a line of a journal must be: one whole record of Optuna's.

Stricter than Optuna's own reader, which passes over a damaged last line in silence, takes a text
for a number, and ends in a traceback later on.
"""

import json
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from commands.strangers import LARGEST, check_tree, shown

LONGEST = 64 * 2**20
"""Bytes of a line; the longest records, pictures in attributes, have a thousandth of it."""
_MANY_BRACKETS = 32
"""More than that may be nested too deeply for what walks through it."""


class Op(IntEnum):
    """What a record does (`optuna.storages.journal`)."""

    CREATE_STUDY = 0
    DELETE_STUDY = 1
    SET_STUDY_USER_ATTR = 2
    SET_STUDY_SYSTEM_ATTR = 3
    CREATE_TRIAL = 4
    SET_TRIAL_PARAM = 5
    SET_TRIAL_STATE_VALUES = 6
    SET_TRIAL_INTERMEDIATE_VALUE = 7
    SET_TRIAL_USER_ATTR = 8
    SET_TRIAL_SYSTEM_ATTR = 9
    DISCARD_TRIALS = 10


def read_line(line: bytes) -> dict[str, Any]:
    """Return the record in a line; `ValueError` says what the line is instead."""
    if not line.strip():
        raise ValueError("is empty")
    if len(line) > LONGEST:
        raise ValueError(f"is longer than {LONGEST // 2**20} MiB")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("holds NUL bytes" if b"\0" in line else "is no JSON") from None
    if type(record) is not dict or "op_code" not in record:
        raise ValueError("is JSON, but no record of Optuna's")
    if line.count(b"{") + line.count(b"[") > _MANY_BRACKETS:
        check_tree(record)
    _check(record)
    return record


def _check(record: Mapping[str, Any]) -> None:
    op = record["op_code"]
    if type(op) is not int or op not in _FIELDS:
        raise ValueError(f"has the unknown op_code {shown(op)}")
    for name, is_right in _FIELDS[Op(op)].items():
        if name not in record:
            raise ValueError(f"is a record without {name}")
        if not is_right(record[name]):
            raise ValueError(f"is a record whose {name} is {shown(record[name])}")
    for name, is_right in _OPTIONAL.get(Op(op), {}).items():
        if name in record and not is_right(record[name]):
            raise ValueError(f"is a record whose {name} is {shown(record[name])}")


_Check = Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) <= LARGEST


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_number(value: Any) -> bool:
    return type(value) is float or _is_whole(value)


def _is_table(value: Any) -> bool:
    return type(value) is dict


def _is_one_attribute(value: Any) -> bool:
    return _is_table(value) and len(value) == 1


def _or_nothing(is_right: _Check) -> _Check:
    return lambda value: value is None or is_right(value)


def _list_of(is_right: _Check) -> _Check:
    return lambda value: type(value) is list and all(map(is_right, value))


def _table_of(is_right: _Check) -> _Check:
    return lambda value: _is_table(value) and all(map(is_right, value.values()))


_VALUES = _or_nothing(_list_of(_is_number))
_STUDY: Mapping[str, _Check] = {"worker_id": _is_text, "study_id": _is_count}
_TRIAL: Mapping[str, _Check] = {"worker_id": _is_text, "trial_id": _is_count}
_FIELDS: Mapping[Op, Mapping[str, _Check]] = {
    Op.CREATE_STUDY: {
        "worker_id": _is_text,
        "study_name": _is_text,
        "directions": _list_of(_is_count),
    },
    Op.DELETE_STUDY: _STUDY,
    Op.SET_STUDY_USER_ATTR: {**_STUDY, "user_attr": _is_one_attribute},
    Op.SET_STUDY_SYSTEM_ATTR: {**_STUDY, "system_attr": _is_one_attribute},
    Op.CREATE_TRIAL: {**_STUDY, "datetime_start": _or_nothing(_is_text)},
    Op.SET_TRIAL_PARAM: {
        **_TRIAL,
        "param_name": _is_text,
        "param_value_internal": _is_number,
        "distribution": _is_text,
    },
    Op.SET_TRIAL_STATE_VALUES: {**_TRIAL, "state": _is_count, "values": _VALUES},
    Op.SET_TRIAL_INTERMEDIATE_VALUE: {
        **_TRIAL,
        "step": _is_whole,
        "intermediate_value": _is_number,
    },
    Op.SET_TRIAL_USER_ATTR: {**_TRIAL, "user_attr": _is_one_attribute},
    Op.SET_TRIAL_SYSTEM_ATTR: {**_TRIAL, "system_attr": _is_one_attribute},
    Op.DISCARD_TRIALS: {},
}
_OPTIONAL: Mapping[Op, Mapping[str, _Check]] = {
    Op.CREATE_TRIAL: {
        "state": _is_count,
        "value": _or_nothing(_is_number),
        "values": _VALUES,
        "datetime_complete": _is_text,
        "distributions": _table_of(_is_text),
        "params": _table_of(_is_number),
        "user_attrs": _is_table,
        "system_attrs": _is_table,
        "intermediate_values": _table_of(_is_number),
    },
}
