"""A network of one's own in the place of ours: searched, exported, trained, evaluated.

Run: python -m examples.own_network
It writes studies/own_network/two_paths/best.toml, and what it trained into
studies/own_network/trained. It is a space file too, and then the study has the file's name:
     python -m search.run examples/own_network.py
     python -m search.export own_network
That writes studies/own_network/best.toml. Commands that build the network are told where it is
registered:
     MAME_NETWORKS=examples.own_network python -m mame_cnn.train studies/own_network/best.toml
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from mame_cnn.configuration.config_file import read_config
from mame_cnn.data.load import load_dataset
from mame_cnn.evaluate import evaluate_run
from mame_cnn.evaluating.findings import Evaluated
from mame_cnn.families.own import register
from mame_cnn.runs.training_runs import train_runs
from search.export import export_one
from search.images import search_images
from search.searching import Settings
from search.space import Choice, Float, Question, Space


@register("two_paths")
class TwoPaths(nn.Module):
    """Kernels of 3 and of 5 pixels side by side (after Szegedy et al. 2015, arXiv 1409.4842)."""

    def __init__(
        self,
        channels: int,
        image_size: int,
        n_classes: int,
        width: int = 8,
        drop_rate: float = 0.2,
    ) -> None:
        super().__init__()
        self.fine = nn.Conv2d(channels, width, 3, padding=1)
        self.coarse = nn.Conv2d(channels, width, 5, padding=2)
        self.norm = nn.BatchNorm2d(2 * width)
        self.deeper = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.dropout = nn.Dropout(drop_rate)
        self.output = nn.Linear(2 * width, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [N, K] of normalised images [N, C, H, W]."""
        maps = torch.cat([self.fine(images), self.coarse(images)], dim=1)
        maps = torch.relu(nn.functional.max_pool2d(self.norm(maps), 4))
        maps = torch.relu(self.deeper(maps))
        logits: Tensor = self.output(self.dropout(maps.amax((2, 3))))
        return logits


SPACE = Space(
    title="Two paths",
    question=Question(
        previous="The plain network has kernels of one size in each block.",
        hypothesis="Kernels of two sizes side by side see strokes and shapes at once.",
        setup="A network of one's own; its width, dropout and learning rate vary.",
    ),
    parameters=(
        Choice("own_width", (4, 8)),
        Float("own_drop_rate", 0.0, 0.4, step=0.2),
        Float("lr", 3e-3, 3e-2, log=True),
    ),
    fixed={"family": "own", "own": "two_paths", "batch_size": 64},
    epochs=8,
)


def run(folder: Path, *, trials: int = 10, epochs: int | None = None) -> Evaluated:
    """Search the space on the digits, train the best to the end, and evaluate that."""
    dataset = load_dataset("digits")
    storage = str(folder / "journal.log")
    settings = Settings("two_paths", trials, storage, artifacts=folder / "artifacts")
    searched = search_images(SPACE, dataset, settings, epochs=epochs, device="cpu")
    config, provenance = read_config(export_one(searched.place, searched.study, None))
    (trained,) = train_runs(
        config, dataset, folder / "trained", provenance=provenance, device="cpu"
    )
    return evaluate_run(trained, device="cpu")


if __name__ == "__main__":
    run(Path("studies/own_network"))
