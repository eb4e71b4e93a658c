"""All that one trial needs to go on after an epoch, as bytes that another process can read.

Tensors as safetensors, all else as JSON in their header, a digest over both. Nothing in it is
run; floats are written so that exactly the same ones are read.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from mame_cnn.cohorts.progress import Counts, EpochResult
from mame_cnn.cohorts.rows import Rows, Snapshot
from mame_cnn.cohorts.val_probabilities import Best
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.models.model import weights_digest

_GROUPS = ("weights", "optimizer", "average")
_BEST = "best_probs"


@dataclass(frozen=True, eq=False)
class MemberState:
    """One trial between two epochs."""

    config: Config
    snapshot: Snapshot
    best: Best | None
    results: tuple[EpochResult, ...]
    """Of its epochs so far."""


class _Header(BaseModel):
    # Not a Section of a configuration: what has not been counted yet is infinite.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, ser_json_inf_nan="constants"
    )
    format_version: Literal[1]
    config: Config
    counts: Counts
    best_epoch: int | None
    results: tuple[EpochResult, ...]


def to_bytes(state: MemberState) -> bytes:
    """Write a state."""
    tensors = {
        f"{group}.{name}": row
        for group in _GROUPS
        for name, row in getattr(state.snapshot, group).items()
    }
    if state.best is not None:
        tensors[_BEST] = state.best.probs.cpu()
    header = _Header(
        format_version=1,
        config=state.config,
        counts=state.snapshot.counts,
        best_epoch=None if state.best is None else state.best.epoch,
        results=state.results,
    ).model_dump_json()
    return save(tensors, {"header": header, "digest": _digest(header, tensors)})


def from_bytes(content: bytes, config: Config) -> MemberState:
    """Read the state of a member of this configuration.

    Raises `ValueError` if it is damaged or another configuration's, saying what differs. Whether
    the tensors fit is for those to say who take them.
    """
    tensors, texts = _read(content)
    text = texts.get("header", "")
    if texts.get("digest") != _digest(text, tensors):
        raise ValueError("damaged: its digest is not that of its content")
    try:
        header = _Header.model_validate_json(text)
    except ValidationError as error:
        faults = "\n".join(describe_faults(error))
        raise ValueError(f"of another version of this program:\n{faults}") from None
    if header.config.digest != config.digest:
        differences = "\n".join(_differences(config.model_dump(), header.config.model_dump()))
        raise ValueError(f"of another configuration:\n{differences}")
    probs = tensors.pop(_BEST, None)
    return MemberState(
        config=header.config,
        snapshot=Snapshot(header.counts, *(_rows_of(group, tensors) for group in _GROUPS)),
        best=None
        if probs is None or header.best_epoch is None
        else Best(header.best_epoch, probs),
        results=header.results,
    )


def _read(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and texts of safetensors whose sizes are what their first bytes say."""
    try:
        tensors = load(content)
    except (SafetensorError, KeyError) as error:  # KeyError: a type that torch does not have
        raise ValueError(f"damaged: not safetensors: {error}") from None
    size = int.from_bytes(content[:8], "little")
    return tensors, json.loads(content[8 : 8 + size]).get("__metadata__", {})


def _digest(header: str, tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(f"{weights_digest(tensors)} {header}".encode()).hexdigest()


def _rows_of(group: str, tensors: Mapping[str, Tensor]) -> Rows:
    return {
        name.removeprefix(f"{group}."): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{group}.")
    }


def _differences(expected: Any, got: Any, place: str = "config") -> Iterator[str]:
    """Yield a line for each value that differs, but for where the images lie."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in expected.keys() | got.keys():
            if (place, name) != ("config.data", "source"):
                yield from _differences(expected.get(name), got.get(name), f"{place}.{name}")
    elif isinstance(expected, tuple) and isinstance(got, tuple) and len(expected) == len(got):
        for number, pair in enumerate(zip(expected, got, strict=True)):
            yield from _differences(*pair, f"{place}.{number}")
    elif expected != got:
        yield f"{place}: expected {expected!r}, got {got!r}"
