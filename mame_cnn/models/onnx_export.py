"""Export of a model or an ensemble as one ONNX file, normalisation and combination inside."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import torch

from commands.errors import UserError, naming
from mame_cnn.models.answers import networks
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.graph import graph
from mame_cnn.models.model import Model

INPUT, OUTPUT = "images", "probabilities"
"""uint8 [N, H, W, C] and float32 [N, K]; N is free."""

ONNX = "model.onnx"
"""What the file is called in the folder of a run or an ensemble."""
_NEEDED = ("onnx", "onnxscript")


def export(model: Model | Ensemble, path: Path) -> None:
    """Write a model as ONNX; its classes are in the file's metadata as a JSON list.

    Raises `UserError` if the packages of the extra `onnx` are not installed, and for networks
    that see more than pixels.
    """
    check_installed()
    for one in networks(model):
        one.check_pixels_suffice()
    # Two images: a batch of one would be taken for a constant.
    shape = (2, model.image_size, model.image_size, model.channels)
    program = torch.onnx.export(
        graph(model),
        (torch.zeros(shape, dtype=torch.uint8),),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        verbose=False,
    )
    assert program is not None
    told = {
        "classes": list(model.classes),
        "data_name": model.data_name,
        "data_digest": model.data_digest,
    }
    program.model.metadata_props.update({name: json.dumps(told[name]) for name in told})
    # Renamed into place, so that a full disk leaves no half of a file.
    unfinished = path.with_name(f".unfinished-{path.name}")
    with naming(path):
        try:
            program.save(unfinished, external_data=False)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)


def check_installed() -> None:
    """Raise `UserError` if the packages of the extra `onnx` are not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(
            f"ONNX export needs {' and '.join(missing)}: pip install 'mame-cnn-search[onnx]'"
        )
