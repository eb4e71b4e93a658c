from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mame_cnn.data.load import load_dataset
from mame_cnn.models.model_file import write_model
from search.images import n_sharing
from search.run import main
from tests.mame_cnn.small_models import make_model

SPACE = """
from search.space import Int, Question, Space

SPACE = Space(
    title="A head on what was trained before",
    question=Question(previous="-", hypothesis="-", setup="-"),
    parameters=(Int("dense_width", 4, 8),),
    fixed={{
        "family": "pretrained", "backbone": "trained", "weights": {weights!r},
        "from_scratch": "false", "normalisation": "train", "dense_depth": 1,
    }},
    epochs=1,
)
"""


@pytest.mark.parametrize(
    ("device", "workers", "gpus_per_worker", "expected"),
    [
        ("cpu", 3, None, 3),
        ("cpu", None, None, 1),
        ("cuda:1", 4, None, 1),
        ("cuda", 8, 0.25, 4),
        ("cuda", 2, 1.0, 1),
        ("cuda", 8, 0.35, 2),
        ("cuda", 8, 0.6, 1),
        ("cuda", 1, 0.25, 1),
    ],
)
def test_workers_share_what_a_device_uses(
    device: str, workers: int | None, gpus_per_worker: float | None, expected: int
) -> None:
    assert n_sharing(torch.device(device), workers, gpus_per_worker) == expected


@pytest.mark.parametrize("splits", ["train", "train+val"])
def test_a_backbone_that_was_trained_on_these_validation_images_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    splits: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    digits = load_dataset("digits", 8)
    model = make_model(classes=digits.classes, channels=1)
    source = {"training": {"splits": splits}}
    weights = tmp_path / "source.safetensors"
    write_model(weights, replace(model, data_digest=digits.digest, provenance=source))
    Path("head.py").write_text(SPACE.format(weights=str(weights)))
    given = [
        "head.py",
        "--data",
        "digits",
        "--image-size",
        "8",
        "--trials",
        "1",
        "--device",
        "cpu",
    ]
    assert main(given) == 0
    told = f"weights: {weights}: trained on these validation images"
    assert (told in capsys.readouterr().out) == (splits == "train+val")
