import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from commands.errors import UserError
from mame_cnn.models.model_file import read_model, write_model
from tests.mame_cnn.factory import make_config
from tests.mame_cnn.small_models import CPU, make_images, make_model

MODEL = make_model()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_model(tmp_path / "weights.safetensors", MODEL)
    return tmp_path / "weights.safetensors"


def rewrite(path: Path, state: dict[str, torch.Tensor] | None = None, **header: Any) -> None:
    """Write the file anew with other weights or other entries in its header; None removes."""
    with safe_open(path, framework="pt") as file:
        texts = file.metadata()
    texts |= {name: json.dumps(value) for name, value in header.items() if value is not None}
    kept = {name: text for name, text in texts.items() if header.get(name, "") is not None}
    save_file(state or load_file(path), path, kept)


def other_weights(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = load_file(path)
    change(state)
    rewrite(path, state)


def error(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_model(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_alone_gives_back_the_model(path: Path) -> None:
    model = read_model(path)
    np.testing.assert_array_equal(model.probs(make_images(), CPU), MODEL.probs(make_images(), CPU))
    for name in ("config", "classes", "mean", "std", "metrics", "provenance", "weights_digest"):
        assert getattr(model, name) == getattr(MODEL, name), name


def test_a_model_outlives_its_file(path: Path) -> None:
    model = read_model(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert replace(model).weights_digest == MODEL.weights_digest


def test_dates_in_the_provenance_are_kept_as_text(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_model(path, replace(MODEL, provenance={"found": date(2026, 1, 31)}))
    assert read_model(path).provenance == {"found": "2026-01-31"}


def test_what_other_programs_add_to_the_header_does_no_harm(path: Path) -> None:
    rewrite(path, format="pt")
    assert read_model(path).weights_digest == MODEL.weights_digest


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_file_cut_off_anywhere_is_an_error(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "damaged" in error(path)


def test_a_header_that_lies_about_its_own_length_is_an_error(path: Path) -> None:
    path.write_bytes((2**60).to_bytes(8, "little") + path.read_bytes()[8:])
    assert "damaged" in error(path)


def test_a_header_that_promises_more_than_the_file_holds_is_an_error(path: Path) -> None:
    claim = {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    header = json.dumps(claim).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert "damaged" in error(path)


@pytest.mark.parametrize("content", [b"not weights at all, but a text", b"\x80\x04\x95pickle"])
def test_other_files_are_errors(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "not a safetensors file" in error(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    assert "no such file" in error(tmp_path / "nowhere")
    assert "not a file" in error(tmp_path)


def test_weights_without_a_header_are_an_error_that_names_all_that_is_missing(path: Path) -> None:
    save_file(load_file(path), path)
    message = error(path)
    for name in ("config", "classes", "mean", "std", "data_digest", "format_version"):
        assert f"{name}: missing" in message


def test_faults_of_shape_and_name_are_told_at_once(path: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state["output.weight"] = torch.zeros(2, 2)
        state["input.weight"] = state.pop("output.bias")

    other_weights(path, change)
    message = error(path)
    assert "output.weight: expected shape (4, 6), got (2, 2)" in message
    assert "output.bias: missing" in message
    assert "input.weight: unexpected" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_an_error(path: Path, value: float) -> None:
    other_weights(path, lambda state: state["output.bias"][1:3].fill_(value))
    assert "output.bias: 2 of 4 values are not finite" in error(path)


def test_a_single_changed_weight_shows(path: Path) -> None:
    other_weights(path, lambda state: state["output.bias"][0].add_(1))
    assert f"written were {MODEL.weights_digest}" in error(path)


def test_weights_of_whole_numbers_are_an_error(path: Path) -> None:
    other_weights(path, lambda state: state.update({"output.bias": torch.zeros(4).long()}))
    assert "output.bias: type I64" in error(path)


def test_a_network_that_is_only_claimed_takes_no_memory(path: Path) -> None:
    # Its first dense layer alone would have 2 TiB.
    config = make_config(dense_width=16384, image_size=1024, width=2048)
    rewrite(path, config=config.model_dump(mode="json"), config_digest=config.digest)
    assert "expected shape" in error(path)


def test_a_network_that_leaves_no_pixel_is_an_error(path: Path) -> None:
    config = make_model(image_size=16, pool_size=4).config.model_dump(mode="json")
    config["data"]["image_size"] = 8
    smaller = MODEL.config.model_validate(config)
    rewrite(path, config=config, config_digest=smaller.digest)
    assert "would shrink its map" in error(path)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"mean": [0.5]}, "3 channels, 1 means and 3 deviations"),
        ({"std": [0.1, 0.0, 0.1]}, "std.1: input should be greater than 0"),
        ({"mean": [0.1, float("nan"), 0.1]}, "mean.1: input should be a finite number"),
        ({"classes": ["a", "a", "b", "c"]}, "two classes share a name"),
        ({"classes": ["a", "b"]}, "output.bias: expected shape"),
        ({"config_digest": "000000000000"}, "config_digest is 000000000000"),
        ({"format_version": 2}, "format_version: input should be 1, got 2"),
        ({"channels": "3"}, "channels: input should be a valid integer"),
        ({"std": None}, "std: missing"),
    ],
)
def test_a_header_that_cannot_be_true_is_an_error(
    path: Path, header: dict[str, Any], expected: str
) -> None:
    rewrite(path, **header)
    assert expected in error(path)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "9" * 5000])
def test_a_header_that_is_not_json_is_an_error(path: Path, text: str) -> None:
    with safe_open(path, framework="pt") as file:
        texts = file.metadata()
    save_file(load_file(path), path, {**texts, "mean": text})
    assert "mean" in error(path)
