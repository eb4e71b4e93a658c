"""Unfreezing in steps, as pure functions of how many epochs a member has completed."""

from mame_cnn.configuration.network import Network
from mame_cnn.configuration.pretrained import Pretrained, Unfreezing


def steps_of(network: Network) -> tuple[Unfreezing, ...]:
    """Return the steps of a network; none for one that is trained from scratch."""
    return network.unfreezing if isinstance(network, Pretrained) else ()


def step_at(steps: tuple[Unfreezing, ...], epoch: int) -> Unfreezing | None:
    """Return the step that holds in the epoch after so many; None before the first."""
    begun = [step for step in steps if step.after_epochs <= epoch]
    return begun[-1] if begun else None


def first_trained(network: Pretrained, epoch: int) -> int:
    """Return the first block that is trained in the epoch after so many."""
    step = step_at(network.unfreezing, epoch)
    return network.n_blocks + 1 if step is None else step.from_block


def begins(steps: tuple[Unfreezing, ...], epoch: int) -> bool:
    """Whether a step begins with the epoch after so many, which is not the very first."""
    return epoch > 0 and any(step.after_epochs == epoch for step in steps)
