"""Training to the end by several processes: one configuration after the other.

What differs from training by one process: networks train one at a time, nothing is halved where
memory is short, as all processes would have to agree on it, and energy is not told, as each
process sees its own device alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import torch

from commands.errors import UserError
from mame_cnn.configuration.config import Config, Pretrained
from mame_cnn.distribution.processes import Ranks
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.runs.final_training import Ending, too_large, train_together
from mame_cnn.runs.training_of_many import OnEpoch
from mame_cnn.seeds import derive_seed


def check_shareable(
    config: Config, data: DeviceData, ranks: Ranks, cohort: int | str | None
) -> None:
    """Raise `UserError` naming all that keeps several processes from training this together.

    Args:
        cohort: how many networks are wanted to train as one; None: whatever is best.
    """
    if ranks.n == 1:
        return
    batch_size = min(config.training.batch_size, len(data.train))
    faults = [
        f"{what}: {ranks.n} processes need an image each, got {n_images}; start fewer"
        for what, n_images in (("a batch", batch_size), ("validation", len(data.val)))
        if n_images < ranks.n
    ]
    if cohort not in (None, 1):
        faults.append(f"--cohort {cohort}: under torchrun networks train one at a time")
    if isinstance(config.network, Pretrained):
        faults.append("network.family: a pretrained network trains in one process")
    if faults:
        raise UserError("\n".join(faults))


def check_alike(ranks: Ranks, facts: Mapping[str, str], device: torch.device) -> None:
    """Raise `UserError` naming what is other than in the first process. Each calls this alike."""
    if ranks.n == 1:
        return
    own = torch.tensor([derive_seed(fact) for fact in facts.values()], device=device)
    is_alike = ranks.take_first(own.clone()) == own
    differing = [
        f"{what} {fact} is not that of the first process"
        for (what, fact), alike in zip(facts.items(), is_alike.tolist(), strict=True)
        if not alike
    ]
    if differing:
        raise UserError("\n".join(differing))


def train_in_turn(
    configs: Sequence[Config],
    data: DeviceData,
    ranks: Ranks,
    *,
    on_epoch: OnEpoch,
    kept_epochs: Sequence[int | None] | None = None,
) -> Iterator[tuple[int, Ending]]:
    """Train all; yield each one's place and what it left. Each process calls this alike.

    The first that is interrupted is the last that is trained. Raises `UserError` if one does not
    fit into this process's memory.

    Args:
        kept_epochs: as of `train_all`.
    """
    for place, config in enumerate(configs):
        is_interrupted = False
        try:
            for _, ending in train_together(
                [config],
                data,
                partial(on_epoch, (place,)),
                kept_epochs=kept_epochs and [kept_epochs[place]],
                ranks=ranks,
            ):
                yield place, ending
                is_interrupted |= ending.is_interrupted
        except MemoryError as error:
            raise UserError(too_large(error)) from error
        if is_interrupted:
            return
