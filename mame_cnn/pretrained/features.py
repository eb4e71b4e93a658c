"""What the frozen part of a backbone says of all images: computed once, kept, and mapped.

A head on features that are there trains as fast as its own few layers. They are kept beside the
prepared images, one folder for each data, backbone and weights.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from commands.errors import UserError
from mame_cnn.configuration.config import Config, digest
from mame_cnn.data.cache import Meta, Place, cache_folder, get
from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.families.pretrained import PretrainedNetwork
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit, FeatureData

BATCH = 64
"""Images that pass the backbone at once: speed and memory, not the result."""
_MOST_OF_MEMORY = 0.3
"""Share of a GPU's free memory that features may take; more stay on the host."""
_VERSION = 1
"""Of how they are computed: another one does not read what this one has kept."""


def inputs_of(network: CohortNetwork, configs: Sequence[Config], data: DeviceData) -> DeviceData:
    """Return what a network is to read: the data's images, or features in their place.

    Features where part of a backbone is never trained and no image changes from epoch to epoch;
    then the network is told to read them.

    Args:
        configs: of its members, which share a fusion key.
    """
    if not isinstance(network, PretrainedNetwork) or not network.n_frozen:
        return data
    if any(config.augmentation.is_on for config in configs):
        return data
    splits = {"train": data.train, "val": data.val}
    if data.digest:
        features = _kept(network, data, splits)
    else:  # images that nobody can tell from others
        features = {name: _computed(network, data, split) for name, split in splits.items()}
    network.reads_features = True
    device = data.scale.device
    has_room = _has_room(features.values(), device)
    return FeatureData(
        **{
            **vars(data),
            "train": _on(features["train"], data.train, device if has_room else None),
            "val": _on(features["val"], data.val, device),
        }
    )


def _kept(
    network: PretrainedNetwork, data: DeviceData, splits: dict[str, DeviceSplit]
) -> dict[str, Tensor]:
    """Return the features of each split, memory-mapped; computed if they are not there yet."""
    table = network.table
    made_from = {
        "version": _VERSION,
        "data": data.digest,
        "normalisation": data.normalisation,
        "backbone": table.model_dump(mode="json", include={"backbone", "sha256", "head"}),
        "first_trained": table.first_trained,
        "precision": str(network.precision),
        "torch": torch.__version__,
    }
    name = table.backbone if isinstance(table.backbone, str) else table.backbone.network.family
    home = cache_folder() / f"features-{data.digest}"
    key = digest(made_from)
    place = Place(home, f"{name}-{table.sha256[:8]}-{key}", key)

    def make(folder: Path) -> Meta:
        for split_name, split in splits.items():
            _compute(network, data, split, folder / f"{split_name}.npy")
        return {"made_from": made_from}

    n_images = sum(map(len, splits.values()))
    example = _of_batch(network, data, data.val.images[:1])
    get(place, n_images * example.nbytes, make)
    with warnings.catch_warnings():
        # torch warns that the mapped file cannot be written to; nothing here writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return {
            split_name: torch.from_numpy(
                np.load(place.folder / f"{split_name}.npy", mmap_mode="r")
            )
            for split_name in splits
        }


def _compute(network: PretrainedNetwork, data: DeviceData, split: DeviceSplit, path: Path) -> None:
    """Write the features of all images into one file, a batch at a time."""
    shape = _of_batch(network, data, split.images[:1]).shape[1:]
    # Plain writes, not a writable memory map: a full disk raises here, there it kills.
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(split), *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(split), BATCH):
            part = _of_batch(network, data, split.images[first : first + BATCH])
            file.write(np.ascontiguousarray(part.cpu().numpy(), dtype="<f4").data)


def _computed(network: PretrainedNetwork, data: DeviceData, split: DeviceSplit) -> Tensor:
    parts = [_of_batch(network, data, part) for part in split.images.split(BATCH)]
    return torch.cat(parts)


@torch.no_grad()
def _of_batch(network: PretrainedNetwork, data: DeviceData, images: Tensor) -> Tensor:
    """Return the features of some images.

    Raises `UserError` if they are not finite, which training would report as a failure of its own.
    """
    pixels = data.normalise(images.to(data.scale.device))
    features = network.frozen_features(pixels)
    if not features.isfinite().all():
        raise UserError("network.backbone: features of images that are not finite numbers")
    return features


def _has_room(features: Iterable[Tensor], device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    needed = sum(tensor.nbytes for tensor in features)
    return bool(needed <= _MOST_OF_MEMORY * torch.cuda.mem_get_info(device)[0])


def _on(features: Tensor, split: DeviceSplit, device: torch.device | None) -> DeviceSplit:
    """Return features in place of a split's images; None leaves them on the host."""
    return replace(split, images=features if device is None else features.to(device))
