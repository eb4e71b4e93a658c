"""What batch normalisation cannot train on, an image at a time, is known beforehand."""

from pathlib import Path
from typing import Any

import pytest
import torch

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.data.load import load_dataset
from mame_cnn.families.network import infeasible
from mame_cnn.runs.final_training import check_feasible
from mame_cnn.trials.trainer import ImageTrainer
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.families.small import small
from tests.mame_cnn.pretrained.files import transfer_config, write_own

CPU = torch.device("cpu")
TO_ONE_PX = {"depth": 3, "pool_size": 2, "batch_norm": "after_pool"}
"""Of images of 8 pixels."""


def one_by_one(**params: Any) -> Config:
    return make_config(**{"batch_size": 1, "epochs": 1, **params})


@pytest.mark.parametrize(
    ("params", "is_refused"),
    [
        (TO_ONE_PX, True),
        ({**TO_ONE_PX, "metadata": "size"}, True),
        ({**TO_ONE_PX, "batch_norm": "before"}, False),  # of maps before their pooling
        ({**TO_ONE_PX, "batch_norm": "none"}, False),
        ({**TO_ONE_PX, "depth": 2}, False),
        (small("vgg", dense_batch_norm="before"), True),
        (small("vgg", dense_batch_norm="none"), False),
        (small("resnet", stride_2=4), True),
        (small("resnet"), False),
        (small("mobilenet", stride_2=4), True),
        (small("densenet"), True),
    ],
)
def test_it_is_told_of_the_networks_that_fail_in_training_and_of_no_others(
    params: dict[str, Any], is_refused: bool
) -> None:
    config, data = one_by_one(**params), make_data(n_train=4, dtype=torch.float32)
    cohort = Cohort([config], [0], data)
    reason = infeasible(config.network, 8, config.training.batch_size)
    assert (reason is not None) == is_refused
    if is_refused:
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            cohort.train_epoch()
        with pytest.raises(UserError, match=r"training\.batch_size: 1 image"):
            check_feasible([config], data)
    else:
        cohort.train_epoch()
        check_feasible([config], data)
    assert infeasible(config.network, 8) is None  # it may be used
    assert infeasible(config.network, 8, 2) is None


@pytest.mark.parametrize(
    ("norm", "steps", "is_refused"),
    [
        ("before", (), True),
        ("none", (), False),
        ("none", ({"after_epochs": 1, "from_block": 2, "lr": 1e-3},), True),
    ],
)
def test_a_head_on_a_backbone_is_tried_with_all_that_it_ever_trains(
    tmp_path: Path, norm: str, steps: tuple[dict[str, Any], ...], is_refused: bool
) -> None:
    weights = tmp_path / "source.safetensors"
    backbone, digits = write_own(weights, **TO_ONE_PX)
    network = {"head_batch_norm": norm}
    config = transfer_config(
        backbone, weights, digits, unfreezing=steps, network=network, batch_size=1
    )
    assert (infeasible(config.network, 8, 1) is not None) == is_refused


def test_a_search_draws_none_of_them() -> None:
    trainer = ImageTrainer(load_dataset("digits", 16), epochs=1, data_seed=0, device=CPU)
    norm: dict[str, Value] = {"depth": 4, "pool_size": 2, "width": 4, "batch_norm": "after_pool"}
    assert "training.batch_size: 1 image" in (trainer.infeasible({**norm, "batch_size": 1}) or "")
    assert trainer.infeasible({**norm, "batch_size": 2}) is None
