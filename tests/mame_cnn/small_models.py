"""Small models and ensembles for tests: never trained, but as different as trained ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mame_cnn.combining.combination import Combination, Weighted
from mame_cnn.data.dataset import Pixels
from mame_cnn.families.network import build_network
from mame_cnn.models.ensemble import Ensemble, Member, Specialists
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config

CPU = torch.device("cpu")
CLASSES = ("bronze", "clay", "silk", "wood")


def make_model(
    *,
    seed: int = 1,
    classes: tuple[str, ...] = CLASSES,
    image_size: int = 8,
    channels: int = 3,
    **params: Any,
) -> Model:
    config = make_config(seed=seed, image_size=image_size, **params)
    return Model(
        config=config,
        classes=classes,
        channels=channels,
        mean=(0.5, 0.4, 0.3)[:channels],
        std=(0.2, 0.25, 0.3)[:channels],
        data_name="synthetic",
        data_digest="0123456789ab",
        metrics={"best_epoch": 2, "val_accuracy": 0.5},
        provenance={"study": "toy", "training": {"environment": {"torch": "2"}}},
        state=_state(config.network, seed, (channels, image_size), len(classes)),
    )


def _state(network: Any, seed: int, shape: tuple[int, int], n_classes: int) -> dict[str, Tensor]:
    channels, image_size = shape
    cohort = build_network(
        [network], channels=channels, image_size=image_size, n_classes=n_classes
    )
    random = generator(seed, "weights")
    cohort.initialise([random])
    for buffer in cohort.buffers():  # statistics that a newborn network has not yet
        buffer.copy_(0.5 + torch.rand(buffer.shape, generator=random))
    return cohort.member_state(0)


def make_images(n_images: int = 6, image_size: int = 8) -> Pixels:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (n_images, image_size, image_size, 3), dtype=np.uint8)


def make_ensemble(
    combination: Combination | None = None, *, with_specialists: bool = False, **changes: Any
) -> Ensemble:
    """Return an ensemble of two members, and of specialists for the groups (0, 2), (1), (3)."""
    members = tuple(
        Member(f"member-{seed}", f"members/member-{seed}", make_model(seed=seed))
        for seed in (1, 2)
    )
    specialists = None
    if with_specialists:
        general = make_model(seed=3, classes=("group 1", "group 2", "group 3"))
        expert = make_model(seed=4, classes=("bronze", "silk"))
        specialists = Specialists(
            groups=((0, 2), (1,), (3,)),
            general=Member("general", "specialists/general", general),
            experts=(Member("expert", "specialists/expert", expert), None, None),
        )
    n_members = 2 + with_specialists
    mean = Weighted("mean", (1 / n_members,) * n_members)
    ensemble = Ensemble(members, combination or mean, specialists=specialists)
    return replace(ensemble, **changes)


def write_members(folder: Path, ensemble: Ensemble) -> None:
    for member in ensemble.networks:
        (folder / member.path).mkdir(parents=True)
        write_model(folder / member.path / WEIGHTS, member.model)
