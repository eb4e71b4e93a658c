"""What a network or an ensemble says of a split, and on what ground it may be believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.data.metadata import size_inputs
from mame_cnn.models.ensemble import Ensemble, Metadata
from mame_cnn.models.model import Model, Probs
from mame_cnn.scoring.probabilities_file import read_probabilities

OUT_OF_FOLD = "val_probabilities.csv"
"""In an ensemble's folder: what combiners said of validation images they were not fitted on."""


@dataclass(frozen=True)
class Answer:
    """Probabilities of one split."""

    probs: Probs
    """[N, K]."""
    members: Mapping[str, Probs] = field(default_factory=dict)
    """Those of an ensemble's members by name; empty for one network."""
    note: str = ""
    """A sentence on how the probabilities came about, where a reader must know."""


def answer(
    model: Model | Ensemble, split: Split, device: torch.device, precision: torch.dtype
) -> Answer:
    """Return what a model says of a split's images."""
    metadata = known_metadata(split)
    if isinstance(model, Model):
        return Answer(model.probs(split.images, device, precision, metadata=metadata))
    members = model.member_probs(split.images, device, precision, metadata=metadata)
    return Answer(model.combined(members), dict(zip(model.member_names, members, strict=True)))


def known_metadata(split: Split) -> Metadata | None:
    """Return what can be shown of a split's images beside their pixels, [N, M]; None: nothing."""
    return None if split.sizes is None else size_inputs(split)


def val_answer(
    run: Path,
    model: Model | Ensemble,
    dataset: Dataset,
    device: torch.device,
    precision: torch.dtype,
) -> Answer:
    """Return what a model says of validation images, out of fold where it was fitted on them.

    An ensemble's combination was fitted on the validation images of its own data. There its
    folder's out-of-fold probabilities are the honest ones; only the members are asked anew.
    """
    asked = answer(model, dataset.val, device, precision)
    if model.data_digest != dataset.digest:
        return asked
    if any(one.saw_val for one in networks(model)):
        return replace(asked, note="Far too good: these images were trained on.")
    if isinstance(model, Model):
        return asked
    kept = run / OUT_OF_FOLD
    if not kept.is_file():
        return replace(
            asked,
            note=f"Too good: the combination was fitted on these images, and {OUT_OF_FOLD}, with "
            "what it says out of fold, is missing.",
        )
    split = dataset.val
    probs = read_probabilities(kept, split.labels, split.names, dataset.classes)
    return replace(
        asked, probs=probs, note=f"Out of fold, from {OUT_OF_FOLD}; members as they are."
    )


def networks(model: Model | Ensemble) -> tuple[Model, ...]:
    """Return all trained networks of a model, which is one, or of an ensemble."""
    if isinstance(model, Model):
        return (model,)
    return tuple(network.model for network in model.networks)
