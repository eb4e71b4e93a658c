"""A model as one file: weights as safetensors, and in its header all that they need.

The header holds JSON by name. Nothing in a file is run, and nothing is computed with it before
every name, type, shape and number has been checked.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from commands.errors import UserError
from commands.strangers import check_tree
from mame_cnn.configuration.config import Config, PlainText, Section
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.data.listing import some
from mame_cnn.families.network import build_network, infeasible
from mame_cnn.models.model import Model, weights_digest

WEIGHTS = "weights.safetensors"
"""What the file is called in a run's folder."""

_FORMAT_VERSION = 1
_TYPES = ("F32", "F64")
_MOST_BYTES = 4 * 2**30
"""Of a file: a billion weights, a thousand times as many as the largest network in `studies/`."""
_MOST_LETTERS = 4 * 2**20
"""Of one entry in the header; the names of 1,000 classes have some 20,000."""

Deviation = Annotated[float, Field(gt=0)]


class _Header(Section):
    """What a file says of its weights; other names in its header are left alone."""

    format_version: Literal[1]
    config: Config
    classes: Annotated[tuple[PlainText, ...], Field(min_length=2, strict=False)]
    channels: int = Field(ge=1, le=4)
    mean: Annotated[tuple[float, ...], Field(strict=False)]
    std: Annotated[tuple[Deviation, ...], Field(strict=False)]
    config_digest: str
    data_name: PlainText
    data_digest: str
    weights_digest: str
    metrics: dict[str, float]
    provenance: dict[str, Any]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        faults = []
        if len(set(self.classes)) < len(self.classes):
            faults.append("two classes share a name")
        if not len(self.mean) == len(self.std) == self.channels:
            faults.append(
                f"{self.channels} channels, {len(self.mean)} means and {len(self.std)} deviations"
            )
        if self.config_digest != self.config.digest:
            faults.append(
                f"config_digest is {self.config_digest}, that of config {self.config.digest}"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self


def write_model(path: Path, model: Model) -> None:
    """Write a model into one file."""
    header = {
        "format_version": _FORMAT_VERSION,
        "config": model.config.model_dump(mode="json"),
        "classes": model.classes,
        "channels": model.channels,
        "mean": model.mean,
        "std": model.std,
        "config_digest": model.config.digest,
        "data_name": model.data_name,
        "data_digest": model.data_digest,
        "weights_digest": model.weights_digest,
        "metrics": dict(model.metrics),
        "provenance": dict(model.provenance),
    }
    # `str` for the dates that TOML has and JSON has not.
    texts = {name: json.dumps(value, default=str) for name, value in header.items()}
    path.write_bytes(save(dict(model.state), texts))


def read_model(path: Path) -> Model:
    """Return the model of a file.

    Raises `UserError` naming the file and everything that is wrong with it.
    """
    header, state = _read(path)
    if faults := _value_faults(header, state):
        raise _other_weights(path, faults)
    return Model(
        config=header.config,
        classes=header.classes,
        channels=header.channels,
        mean=header.mean,
        std=header.std,
        data_name=header.data_name,
        data_digest=header.data_digest,
        metrics=header.metrics,
        provenance=header.provenance,
        state=state,
    )


def _read(path: Path) -> tuple[_Header, dict[str, Tensor]]:
    """Return header and weights of a file; no weight is read before all of them fit."""
    if not path.is_file():
        raise UserError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    if (n_bytes := path.stat().st_size) > _MOST_BYTES:
        raise UserError(
            f"{path}: {n_bytes / 2**30:,.1f} GiB; a model has at most {_MOST_BYTES / 2**30:.0f}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            slices = {name: file.get_slice(name) for name in names}
            types = {name: part.get_dtype() for name, part in slices.items()}
            if faults := [
                f"{name}: type {type_}, expected one of {', '.join(_TYPES)}"
                for name, type_ in types.items()
                if type_ not in _TYPES
            ]:
                raise UserError("\n".join([f"{path}: not a model's weights:", *some(faults)]))
            header = _header(path, file.metadata() or {})
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            if faults := _shape_faults(header, shapes):
                raise _other_weights(path, faults)
            # Copies: the tensors of an open file change and vanish with it.
            return header, {name: file.get_tensor(name).clone() for name in slices}
    except SafetensorError as error:
        raise UserError(f"{path}: not a safetensors file, or damaged: {error}") from None


def _header(path: Path, texts: dict[str, str]) -> _Header:
    content = {}
    for name in _Header.model_fields.keys() & texts.keys():
        try:
            if len(texts[name]) > _MOST_LETTERS:
                raise ValueError(f"{len(texts[name]):,} letters")
            content[name] = json.loads(texts[name])
            check_tree(content[name])
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: {name} is not valid JSON: {error}") from None
    try:
        return _Header.model_validate(content)
    except ValidationError as error:
        raise UserError(
            "\n".join([f"{path}: not a model that can be used:", *some(describe_faults(error))])
        ) from None


def _shape_faults(header: _Header, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return how weights differ from the network, which takes no room: it only is claimed."""
    config = header.config
    if reason := infeasible(config.network, config.data.image_size):
        return [reason]
    with torch.device("meta"):
        network = build_network(
            [config.network],
            channels=header.channels,
            image_size=config.data.image_size,
            n_classes=len(header.classes),
        )
    return network.state_faults(shapes)


def _value_faults(header: _Header, state: Mapping[str, Tensor]) -> list[str]:
    faults = []
    for name, tensor in state.items():
        n_bad = tensor.numel() - int(tensor.isfinite().sum())
        if n_bad:
            faults.append(f"{name}: {n_bad:,} of {tensor.numel():,} values are not finite")
    digest = weights_digest(state)
    if not faults and digest != header.weights_digest:
        faults.append(f"digest {digest}, written were {header.weights_digest}")
    return faults


def _other_weights(path: Path, faults: Sequence[str]) -> UserError:
    return UserError("\n".join([f"{path}: the weights are not those described:", *some(faults)]))
