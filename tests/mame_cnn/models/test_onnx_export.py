"""Exported files, run by onnxruntime, against PyTorch."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from commands.errors import UserError
from mame_cnn.combining.combination import ClassWeighted
from mame_cnn.models import onnx_export
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.model import Model
from mame_cnn.models.onnx_export import INPUT, OUTPUT, export
from tests.mame_cnn.small_models import CLASSES, CPU, make_ensemble, make_images, make_model

TOLERANCE = 1e-4


def check_equal(model: Model | Ensemble, path: Path) -> None:
    export(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for n_images in (1, 5):  # neither is the number that was exported with
        images = make_images(n_images)
        [found] = session.run([OUTPUT], {INPUT: images})
        np.testing.assert_allclose(found, model.probs(images, CPU), atol=TOLERANCE)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == list(CLASSES)


def test_an_exported_network_says_what_the_network_says(tmp_path: Path) -> None:
    check_equal(make_model(activation="prelu", batch_norm="after_pool"), tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_an_exported_ensemble_says_what_the_ensemble_says(tmp_path: Path) -> None:
    weights = ((1.5, -0.5, 0.0, 1.0), (-0.2, 0.8, 2.0, -3.0), (0.1, 0.2, 0.3, 0.4))
    logistic = ClassWeighted("logistic", weights, (0.1, -0.1, 0.0, 0.2), "logistic")
    ensemble = make_ensemble(
        logistic, with_specialists=True, temperature=1.5, views="flips+shifts"
    )
    check_equal(ensemble, tmp_path / "ensemble.onnx")


def test_without_the_extra_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'mame-cnn-search\[onnx\]'"):
        export(make_model(), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
