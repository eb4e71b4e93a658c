"""Training of one configuration to its end, keeping the weights of its best epoch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from commands.errors import UserError
from mame_cnn.cohort import Cohort
from mame_cnn.config import Config
from mame_cnn.device_data import DeviceData
from mame_cnn.network import infeasible
from mame_cnn.progress import EpochResult
from mame_cnn.room import check_room
from mame_cnn.step_memory import step_memory


@dataclass(frozen=True)
class FinalTraining:
    """What training to the end left."""

    history: tuple[EpochResult, ...]
    best: EpochResult
    """The earliest epoch with the highest validation accuracy."""
    state: dict[str, Tensor]
    """Weights and statistics after the best epoch, on the CPU, in torch.nn's plain shapes."""
    val_probs: npt.NDArray[np.float32]
    """[N, K], of the best epoch's weights."""
    stopped_because: str
    is_interrupted: bool
    """Whether Ctrl-C ended it."""


def train_to_the_end(
    config: Config, data: DeviceData, on_epoch: Callable[[EpochResult], None]
) -> FinalTraining:
    """Train until the budget is spent, validation stops improving, or the loss diverges.

    Ctrl-C ends it too, once there is an epoch to keep. Raises `UserError` if the configuration
    does not fit the data or the memory, or diverges at once.
    """
    if reason := infeasible(config.network, data.image_size):
        raise UserError(reason)
    try:
        check_room(1, step_memory(config, data), data.scale.device)
    except MemoryError as error:
        raise UserError(
            f"{error}; choose a smaller --image-size, batch size or network"
        ) from error
    cohort = Cohort([config], [0], data)
    history: list[EpochResult] = []
    kept: tuple[EpochResult, dict[str, Tensor]] | None = None
    is_interrupted = False
    try:
        while not history or not (history[-1].is_finished or history[-1].failure):
            [result] = cohort.train_epoch()
            if result.is_best:
                state = cohort.network.member_state(0)
                kept = result, {name: tensor.cpu() for name, tensor in state.items()}
            history.append(result)
            on_epoch(result)
    except KeyboardInterrupt:
        if kept is None:
            raise
        is_interrupted = True
    if kept is None:
        raise UserError(f"training failed: {history[-1].failure}; lower the learning rate")
    best, state = kept
    cohort.network.load_member_state(0, state)
    probs = torch.softmax(cohort.logits(data.val)[0], dim=-1)
    return FinalTraining(
        history=tuple(history),
        best=best,
        state=state,
        val_probs=probs.to("cpu", torch.float32).numpy(),
        stopped_because="Ctrl-C" if is_interrupted else _reason(history[-1], config),
        is_interrupted=is_interrupted,
    )


def _reason(last: EpochResult, config: Config) -> str:
    if last.failure:
        return last.failure
    if last.epoch == config.training.epochs:
        return f"all {last.epoch} epochs done"
    return f"no progress in validation for {config.training.patience_epochs} epochs"
