"""One member's rows of a cohort's tensors [T, ...]: taken out after an epoch, and put back."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mame_cnn.cohorts.progress import Counts

Rows = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One member between two epochs: all that its coming epochs depend on but its configuration.

    What is random follows from seeds and the number of the epoch, so no generator is in here.
    """

    counts: Counts
    weights: Rows
    """And statistics of normalisations, in torch.nn's plain shapes."""
    optimizer: Rows
    average: Rows
    """Empty for a member that does not average its weights."""


def take(tensors: Rows, slot: int) -> Rows:
    """Return copies of one member's rows, on the CPU."""
    return {name: tensor[slot].to("cpu", copy=True) for name, tensor in tensors.items()}


@torch.no_grad()
def put(what: str, tensors: Rows, slot: int, rows: Rows) -> None:
    """Overwrite one member's rows.

    Raises `ValueError` naming every row that is missing, unexpected, or of another shape or type;
    then none is changed.
    """
    faults = [f"{what} {name}: missing" for name in tensors.keys() - rows.keys()]
    faults += [f"{what} {name}: unexpected" for name in rows.keys() - tensors.keys()]
    faults += [
        f"{what} {name}: expected {expected}, got {got}"
        for name in tensors.keys() & rows.keys()
        if (expected := _kind(tensors[name][slot])) != (got := _kind(rows[name]))
    ]
    if faults:
        raise ValueError("\n".join(sorted(faults)))
    for name, row in rows.items():
        tensors[name][slot].copy_(row)


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
