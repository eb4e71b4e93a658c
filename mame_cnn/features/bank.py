"""Features of a data set, computed once for a network and kept beside the prepared images.

    CACHE/features-<data digest>-<weights digest>/<layers>-<key>/{train.npy, val.npy, meta.json}

Each is the mean of a layer's output over the places of its map. A CPU and a GPU differ in the
last digits; whoever computes first computes for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import Progress
from torch import Tensor, nn

from commands.errors import UserError
from mame_cnn.configuration.config import digest
from mame_cnn.data import cache as store
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.data.metadata import size_inputs
from mame_cnn.data.progress import bar
from mame_cnn.features.embedding import Table
from mame_cnn.features.layers import Layer, extractor
from mame_cnn.features.looker import Looker

RULES_VERSION = 1  # counts up when features are computed otherwise, so that nothing old is reused
_MOST_BYTES = 2**28
"""Of the outputs of all layers in one step: few images of a large network, many of a small."""
_MOST_IMAGES = 256


@dataclass(frozen=True, eq=False)
class Bank:
    """Features of the training and validation images, memory-mapped."""

    train: Table
    val: Table
    train_labels: npt.NDArray[np.int64]
    val_labels: npt.NDArray[np.int64]
    layers: tuple[Layer, ...]
    """Whose features the columns are, in this order."""
    sizes: tuple[Table, Table] | None = None
    """What is known of the photographs' sizes, of training and validation images."""

    def of(self, layers: Sequence[Layer]) -> tuple[Table, Table]:
        """Return the features of some of these layers, of training and validation images."""
        if tuple(layers) == self.layers:
            return self.train, self.val
        ends = np.cumsum([layer.n_features for layer in self.layers])
        spans = {
            layer.name: np.arange(end - layer.n_features, end)
            for layer, end in zip(self.layers, ends, strict=True)
        }
        columns = np.concatenate([spans[layer.name] for layer in layers])
        return self.train[:, columns], self.val[:, columns]

    def with_sizes(self, train: Table, val: Table) -> tuple[Table, Table]:
        """Return features with those of the photographs' sizes after them."""
        if self.sizes is None:
            raise UserError("metadata: the sizes of these images are not known")
        of_train, of_val = self.sizes
        return np.hstack([train, of_train]), np.hstack([val, of_val])


def open_bank(
    looker: Looker,
    dataset: Dataset,
    layers: Sequence[Layer],
    *,
    cache: Path | None = None,
    progress: bool = True,
) -> Bank:
    """Return the features of a data set, computing those that nobody has computed before.

    Raises `UserError` if the network's answers are not finite, or it cannot see such images.

    Args:
        dataset: at the network's image size.
        layers: some of the network's, in its order.
        progress: show a bar, if stderr is a terminal.
    """
    looker.check_data(dataset)
    everything = _place(looker, dataset, looker.layers, cache)
    if everything.read() is not None:  # has all that may be asked for
        layers = looker.layers
    spot = _place(looker, dataset, layers, cache)
    n_features = sum(layer.n_features for layer in layers)
    n_train, n_val = len(dataset.train.labels), len(dataset.val.labels)
    n_bytes = 4 * n_features * (n_train + n_val) + 2**20  # float32; 1 MiB for headers, record

    def make(folder: Path) -> store.Meta:
        with bar(progress) as display:
            for name, split in (("train", dataset.train), ("val", dataset.val)):
                _write(folder / f"{name}.npy", looker, layers, split, display)
        return {"network": looker.name, "layers": [layer.name for layer in layers]}

    store.get(spot, n_bytes, make)
    return Bank(
        train=_open(spot.folder / "train.npy", (n_train, n_features)),
        val=_open(spot.folder / "val.npy", (n_val, n_features)),
        train_labels=dataset.train.labels,
        val_labels=dataset.val.labels,
        layers=tuple(layers),
        sizes=_sizes(dataset),
    )


def _sizes(dataset: Dataset) -> tuple[Table, Table] | None:
    if dataset.train.sizes is None or dataset.val.sizes is None:
        return None
    return size_inputs(dataset.train), size_inputs(dataset.val)


def _place(
    looker: Looker, dataset: Dataset, layers: Sequence[Layer], cache: Path | None
) -> store.Place:
    root = (cache or store.cache_folder()).expanduser().resolve()
    names = [[layer.output, layer.n_features] for layer in layers]
    part = "all" if tuple(layers) == looker.layers else digest(names)
    home = root / f"features-{dataset.digest}-{looker.digest}"
    return store.Place(home, part, digest([RULES_VERSION, names]))


def _write(
    path: Path, looker: Looker, layers: Sequence[Layer], split: Split, display: Progress
) -> None:
    """Write the features of a split, batch by batch."""
    network = extractor(looker.network, layers)
    n_features = sum(layer.n_features for layer in layers)
    step = _step(layers)
    task = display.add_task(f"features of {path.stem}", total=len(split.labels))
    # Plain writes, not a writable memory map: a full disk raises here, there it kills.
    with path.open("wb") as file, torch.inference_mode():
        shape = (len(split.labels), n_features)
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": shape}
        )
        for first in range(0, len(split.labels), step):
            # A copy, as torch warns of memory-mapped arrays that it must not write to.
            images = torch.from_numpy(np.array(split.images[first : first + step]))
            table = _features(network, layers, looker.shown(images)).cpu().numpy()
            if not np.isfinite(table).all():
                raise UserError(f"{looker.name}: features of images that are not finite numbers")
            file.write(np.ascontiguousarray(table, dtype="<f4").data)
            display.advance(task, len(images))


def _features(network: nn.Module, layers: Sequence[Layer], images: Tensor) -> Tensor:
    """Return the spatial averages of all layers side by side, [N, F]."""
    outputs = network(images)
    vectors = []
    for layer in layers:
        output = outputs[layer.node]
        vectors.append(output.mean((2, 3)) if layer.map_px else output.flatten(0, -2))
    return torch.cat(vectors, dim=1)


def _step(layers: Sequence[Layer]) -> int:
    """Return how many images to show at once: speed and memory, not the result."""
    n_values = sum(layer.n_features * max(1, layer.map_px) ** 2 for layer in layers)
    return max(1, min(_MOST_IMAGES, _MOST_BYTES // (4 * n_values)))


def _open(path: Path, shape: tuple[int, int]) -> Table:
    try:
        table: Table = np.load(path, mmap_mode="r")
    except ValueError as error:
        raise UserError(f"{path}: not what is kept here ({error}); remove it") from error
    if table.dtype != np.float32 or table.shape != shape:
        raise UserError(
            f"{path}: not what is kept here ({table.dtype} {table.shape}, not float32 {shape}); "
            "remove it"
        )
    return table
