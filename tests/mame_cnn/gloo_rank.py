"""One process of a training in float64, for a test that starts several: writes its weights."""

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from mame_cnn.distribution.cohort import SharedCohort
from mame_cnn.distribution.processes import Ranks, joined
from tests.mame_cnn.distribution.test_distributed_cohort import SHAPES, trained
from tests.mame_cnn.factory import make_config, make_data


def main(folder: Path) -> None:
    ranks = Ranks.of(os.environ)
    with joined(ranks, torch.device("cpu")):
        for number, shape in enumerate(SHAPES):
            config = make_config(**{"lr": 1e-3, **shape})
            _, state, logits = trained(SharedCohort([config], [0], make_data(), ranks))
            save_file({**state, "logits": logits}, folder / f"{number}-{ranks.rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
