"""What a user writes: ImageFolder, DataLoader, per-image transforms, a plain fp32 loop.

It is what throughput is measured against. `python -m benchmarks.peer FOLDER ...` measures it in a
process where nothing of this project runs, nor its settings of the allocator and of threads.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.experiments import BATCH_SIZE, EXPERIMENTS, Experiment
from benchmarks.peak import peak_mib


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print images per second and peak memory in MiB as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peer")
    parser.add_argument("folder", type=Path, help="one folder a class, as ImageFolder wants it")
    parser.add_argument("--experiment", choices=[*EXPERIMENTS], required=True)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--device", type=torch.device, required=True)
    parser.add_argument("--loader-workers", type=int, required=True)
    parser.add_argument("--persistent", action="store_true")
    options = parser.parse_args(argv)
    rate = images_per_s(
        options.folder,
        options.image_size,
        EXPERIMENTS[options.experiment],
        options.device,
        n_workers=options.loader_workers,
        is_persistent=options.persistent,
    )
    peak = peak_mib(options.device, n_children=options.loader_workers)
    print(json.dumps({"images_per_s": rate, "peak_mib": peak}))
    return 0


def images_per_s(
    folder: Path,
    image_size: int,
    experiment: Experiment,
    device: torch.device,
    *,
    n_workers: int,
    is_persistent: bool,
) -> float:
    """Return the training images per second of the second epoch.

    Args:
        folder: one folder a class, as ImageFolder wants it.
        is_persistent: keep the loader's processes between epochs; the default of a script
            starts them anew, and that is part of its epoch.
    """
    images = ImageFolder(str(folder), _transform(image_size))
    loader = _loader(images, n_workers, is_persistent)
    network = experiment.plain(image_size, len(images.classes)).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=experiment.lr)
    _train_epoch(network, optimizer, experiment, loader, device)
    started_s = time.perf_counter()
    n_images = _train_epoch(network, optimizer, experiment, loader, device)
    return n_images / (time.perf_counter() - started_s)


def _transform(image_size: int) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.Resize((image_size, image_size)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomAffine(degrees=30, translate=(0.1, 0.1)),
            transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        ]
    )


def _loader(
    images: ImageFolder, n_workers: int, is_persistent: bool
) -> "DataLoader[tuple[Tensor, Tensor]]":
    return DataLoader(
        images,
        batch_size=BATCH_SIZE,
        shuffle=True,
        num_workers=n_workers,
        persistent_workers=is_persistent,
        pin_memory=torch.cuda.is_available(),
        drop_last=True,
    )


def _train_epoch(
    network: nn.Sequential,
    optimizer: torch.optim.Optimizer,
    experiment: Experiment,
    loader: "DataLoader[tuple[Tensor, Tensor]]",
    device: torch.device,
) -> int:
    """Train one epoch and return how many images it had."""
    network.train()
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    n_images, total_loss = 0, 0.0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        loss = F.cross_entropy(network(images), labels)
        for layer, l1, l2 in zip(convolutions, experiment.l1, experiment.l2, strict=True):
            if l1 or l2:
                loss = loss + l1 * layer.weight.abs().sum() + l2 * layer.weight.pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total_loss += loss.item()
        n_images += len(labels)
    return n_images


if __name__ == "__main__":
    sys.exit(main())
