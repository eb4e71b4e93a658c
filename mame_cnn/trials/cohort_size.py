"""How many networks of one shape train fastest together, by trying on throwaway networks.

Tried is the training itself, so that all counts that a step does on this machine; but each
network is in an epoch of its own, as those are that take freed slots, and so sees other images
than the rest. Nothing random of the real training is touched, as all of it has seeds of its own.
"""

import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice

import torch
from torch import Tensor

from commands.telling import to_stderr
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.device import check_device
from mame_cnn.inputs.batches import Batch
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.memory.free_memory import give_back
from mame_cnn.memory.room import is_shortage

MOST_MEMBERS = 16
"""A search that draws more at once learns too little from one draw to the next."""
GAIN = 1.1
"""More networks must train so many times as many images in all; less is within the noise."""
BUSY_STEP_S = 0.05
"""A CPU whose step of one network takes longer has its cores busy already.

At 46 ms (MAMe experiment 7, 64 pixels, batch 128, two cores) several networks trained 0.8 to 1.0
times as many images a second together as one by one.
"""
MEASURED_S = 0.5
"""For each size, once the first steps have prepared what later ones reuse."""
N_ROUNDS = 10
"""At most; the best one counts, as others on the machine can only slow a round down."""
ROUND_STEPS = {"cpu": 1, "cuda": 4}
"""A GPU is waited for at the end of a round only, as training does at the end of an epoch."""


def fastest_size(config: Config, data: DeviceData, *, most: int) -> int:
    """Return how many networks like this one train most images a second, at most `most`.

    Numbers that do not fit into memory, or that the device cannot compute, are none of them.
    """
    device = data.scale.device

    @cache
    def images_per_s(size: int) -> float:
        try:
            return _images_per_s(config, size, data)
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                check_device(device, error)
                if size == 1:
                    raise
                reason = str(error).partition("\n")[0]
                to_stderr(f"{size} networks cannot train together: {reason}")
            return 0.0

    try:
        is_busy = config.training.batch_size > BUSY_STEP_S * images_per_s(1)
        if device.type == "cpu" and is_busy:
            return 1
        return best_size(images_per_s, most=min(most, MOST_MEMBERS))
    finally:
        give_back(device)


def best_size(images_per_s: Callable[[int], float], *, most: int) -> int:
    """Return the last of 1, 2, 4, ... up to which each trains more images than those before."""
    best, best_rate, size = 1, images_per_s(1), 2
    while size <= most and (rate := images_per_s(size)) > GAIN * best_rate:
        best, best_rate = size, rate
        size *= 2
    return best


def _images_per_s(config: Config, size: int, data: DeviceData) -> float:
    """Return the images that so many networks train on in a second, in all."""
    configs = [config.model_copy(update={"seed": number}) for number in range(size)]
    cohort = Cohort(configs, range(size), data)
    for number, progress in enumerate(cohort.progress):
        progress.epoch = number % config.training.epochs
    device, steps = data.scale.device, _steps(cohort)
    n_steps = ROUND_STEPS[device.type]
    _timed(cohort, islice(steps, n_steps), device)
    rounds_s: list[float] = []
    while len(rounds_s) < N_ROUNDS and sum(rounds_s) < MEASURED_S:
        rounds_s.append(_timed(cohort, islice(steps, n_steps), device))
    batch_size = min(config.training.batch_size, len(data.train))
    return size * batch_size * n_steps / min(rounds_s)


def _steps(cohort: Cohort) -> Iterator[tuple[Tensor, Batch]]:
    """Yield steps without end."""
    while True:
        yield from cohort.prepare_epoch().steps


def _timed(cohort: Cohort, steps: Iterator[tuple[Tensor, Batch]], device: torch.device) -> float:
    """Make the steps and return the seconds that they took."""
    started_s = time.perf_counter()
    cohort.train_steps(steps)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started_s
