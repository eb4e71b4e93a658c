"""Files of weights for tests: torchvision's real format, and this project's own."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config, Trained
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import write_model
from tests.mame_cnn.factory import make_config, plain_of
from tests.mame_cnn.small_models import make_model


def mobilenet(seed: int = 0) -> nn.Module:
    """Return torchvision's smallest backbone, with statistics that are not those of its birth."""
    random = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: nn.Module = models.mobilenet_v2(weights=None)
    for name, buffer in model.named_buffers():
        if not name.endswith("num_batches_tracked"):
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=random))
    return model.eval()


def write_torchvision(path: Path, model: nn.Module) -> str:
    """Write weights as torchvision publishes them; return the file's SHA-256."""
    torch.save(model.state_dict(), path)
    return sha256(path)


def write_own(path: Path, **params: Any) -> tuple[Trained, str]:
    """Write a model of this project; return it as a backbone, and its file's SHA-256."""
    model = make_model(**params)
    write_model(path, model)
    return Trained(network=plain_of(model.config), channels=model.channels), sha256(path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def transfer_config(
    backbone: str | Trained,
    weights: Path | str,
    digits: str,
    *,
    unfreezing: tuple[dict[str, Any], ...] = (),
    network: dict[str, Any] | None = None,
    **params: Any,
) -> Config:
    """Return a configuration on a backbone; `params` are flat ones of everything else."""
    content = make_config(**params).model_dump(mode="json")
    content["from_scratch"] = False
    content["network"] = {
        "family": "pretrained",
        "backbone": backbone if isinstance(backbone, str) else backbone.model_dump(mode="json"),
        "weights": str(weights),
        "sha256": digits,
        "head": "average",
        "head_batch_norm": "before",
        "head_drop_rate": 0.0,
        "activation": "relu",
        "dense": [{"width": 6, "drop_rate": 0.2, "l1": 0.0, "l2": 0.001}],
        "unfreezing": list(unfreezing),
        **(network or {}),
    }
    return Config.model_validate(content)


def model_of(cohort: Cohort, config: Config) -> Model:
    """Return what a run's folder would hold of a cohort's first member."""
    mean = tuple((cohort.data.offset / cohort.data.scale / 255).flatten().tolist())
    std = tuple((1 / cohort.data.scale / 255).flatten().tolist())
    return Model(
        config=config,
        classes=("bronze", "silk", "wood"),
        channels=3,
        mean=mean,
        std=std,
        data_name="synthetic",
        data_digest="0123456789ab",
        metrics={},
        provenance={},
        state=cohort.member_state(0),
    )
