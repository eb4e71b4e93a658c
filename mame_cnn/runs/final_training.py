"""Training of configurations to their end, keeping the weights of each one's best epoch.

Configurations that share a fusion key train as one cohort; one alone is a cohort of one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config import Config
from mame_cnn.device import DeviceError
from mame_cnn.distribution.cohort import SharedCohort, with_largest_share
from mame_cnn.distribution.processes import ALONE, Ranks, RanksLostError, begin_to_end
from mame_cnn.energy import meter_of
from mame_cnn.families.network import infeasible
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.inputs.metadata_row import metadata_of
from mame_cnn.memory.room import check_room, within_memory
from mame_cnn.memory.step_memory import step_memory


@dataclass(frozen=True)
class FinalTraining:
    """What training to the end left."""

    history: tuple[EpochResult, ...]
    best: EpochResult
    """The epoch that is kept: the earliest with the highest validation accuracy, or the last."""
    state: dict[str, Tensor]
    """Weights and statistics after that epoch, on the CPU, in torch.nn's plain shapes."""
    val_probs: npt.NDArray[np.float32]
    """[N, K], of those weights."""
    is_validated: bool
    """Whether validation images were kept apart: else what was measured on them says nothing."""
    stopped_because: str
    is_interrupted: bool
    """Whether Ctrl-C ended it, the end of another process, or the failure of its GPU."""


@dataclass(frozen=True)
class Failed:
    """A training that left nothing of use."""

    reason: str
    is_interrupted: bool = False
    """As of `FinalTraining`."""


Ending = FinalTraining | Failed
OnEpoch = Callable[[Sequence[EpochResult]], None]
"""Told what all members did in an epoch; a member's key is its place among the configurations."""


def train_together(
    configs: Sequence[Config],
    data: DeviceData,
    on_epoch: OnEpoch,
    *,
    kept_epochs: Sequence[int | None] | None = None,
    ranks: Ranks = ALONE,
) -> Iterator[tuple[int, Ending]]:
    """Train a cohort; yield each member's place and what it left, as soon as it ended.

    A member ends when its budget is spent, validation stops improving, or its loss diverges.
    Ctrl-C in an epoch, or the end of another process of the training, ends all that have an epoch
    to keep; it is raised again if none has. So does a GPU that fails, and `DeviceError` is raised
    once they are kept. Raises `MemoryError` if the cohort does not fit.

    Args:
        kept_epochs: of each member, the epoch after which it ends, whatever its budget, and
            which is kept: validation images are trained on. None: the best one is kept.
        ranks: the processes that train it together, of which each calls this alike.
    """
    need, device = (
        step_memory(with_largest_share(configs[0], data, ranks), data),
        data.scale.device,
    )
    check_room(len(configs), need, device)
    keys = range(len(configs))

    def begin() -> Cohort:
        if ranks.n > 1:
            return SharedCohort(configs, keys, data, ranks)
        return Cohort(configs, keys, data, meter_of(device))

    cohort = within_memory(begin, len(configs), need, device)
    kept = kept_epochs or [None] * len(configs)
    members = {key: _Member(configs[key], kept[key]) for key in keys}
    try:
        while members:
            results = within_memory(cohort.train_epoch, len(members), need, device)
            for slot, result in enumerate(results):
                members[result.key].took(result, slot, cohort)
            on_epoch(results)
            ended = [key for key, member in members.items() if member.has_ended]
            for key in ended:
                yield key, members.pop(key).ending()
            if ended and members:
                cohort.drop(ended)
    except (KeyboardInterrupt, RanksLostError) as error:
        if not any(member.kept for member in members.values()):
            raise
        yield from _interrupted(members, str(error) or "Ctrl-C")
    except DeviceError as error:
        if not ranks.is_first:  # whose end tells torchrun, and so the first one
            raise DeviceError(f"process {ranks.rank} of {ranks.n}: {error}") from error
        if ranks.n > 1:
            begin_to_end()
        if any(member.kept for member in members.values()):
            yield from _interrupted(members, str(error))
        raise


def _interrupted(
    members: Mapping[int, "_Member"], reason: str
) -> Iterator[tuple[int, "FinalTraining | Failed"]]:
    return ((key, member.ending(reason)) for key, member in members.items())


def train_to_the_end(
    config: Config, data: DeviceData, on_epoch: Callable[[EpochResult], None]
) -> FinalTraining:
    """Train one configuration and keep its best epoch.

    Raises `UserError` if it does not fit the data or the memory, or diverges at once.
    """
    check_feasible([config], data)
    try:
        [(_, ending)] = train_together([config], data, lambda results: on_epoch(results[0]))
    except MemoryError as error:
        raise UserError(too_large(error)) from error
    if isinstance(ending, Failed):
        raise UserError(ending.reason)
    return ending


def check_feasible(
    configs: Sequence[Config], data: DeviceData, names: Sequence[str] | None = None
) -> None:
    """Raise `UserError` naming every network that these images are not enough for.

    Args:
        names: what to call networks in messages; by number where not given.
    """
    names = names or [f"configuration {number}" for number in range(1, len(configs) + 1)]
    reasons = [
        infeasible(config.network, data.image_size, config.training.batch_size)
        or data.lacks(metadata_of(config.network))
        for config in configs
    ]
    if found := [
        f"{name}: {reason}" if len(reasons) > 1 else reason
        for name, reason in zip(names, reasons, strict=True)
        if reason
    ]:
        raise UserError("\n".join(found))


def too_large(error: MemoryError) -> str:
    """Say that a network does not fit into memory, and what to do."""
    return f"{error}; choose a smaller --image-size, batch size or network"


@dataclass
class _Member:
    """What is remembered of one member while it trains."""

    config: Config
    kept_epoch: int | None
    """The last one, which is kept; None: the best one is."""
    history: list[EpochResult] = field(default_factory=list)
    kept: tuple[EpochResult, dict[str, Tensor], npt.NDArray[np.float32]] | None = None

    def took(self, result: EpochResult, slot: int, cohort: Cohort) -> None:
        """Take in an epoch, and keep the weights if it is the one to keep so far."""
        self.history.append(result)
        if not result.failure and (self.kept_epoch or result.is_best):
            probs = torch.softmax(cohort.val_logits[slot], dim=-1).to("cpu", torch.float32)
            self.kept = result, cohort.member_state(result.key), probs.numpy()

    @property
    def has_ended(self) -> bool:
        """Whether the last epoch so far is the last of all."""
        last = self.history[-1]
        return last.is_finished or bool(last.failure) or last.epoch == self.kept_epoch

    def ending(self, interruption: str | None = None) -> Ending:
        """Return what is left of it."""
        if self.kept is None:
            if interruption is not None:
                return Failed(f"{interruption} before its first epoch ended", is_interrupted=True)
            failure = self.history[-1].failure
            return Failed(f"training failed: {failure}; lower the learning rate")
        best, state, val_probs = self.kept
        return FinalTraining(
            history=tuple(self.history),
            best=best,
            state=state,
            val_probs=val_probs,
            is_validated=self.kept_epoch is None,
            stopped_because=interruption or _reason(self.history[-1], self),
            is_interrupted=interruption is not None,
        )


def _reason(last: EpochResult, member: _Member) -> str:
    if last.failure:
        return last.failure
    training = member.config.training
    if last.epoch in (training.epochs, member.kept_epoch):
        return f"all {last.epoch} epochs done"
    return f"no progress in validation for {training.patience_epochs} epochs"
