"""Ways to train networks of one shape together for an epoch.

As this project does, compiled, as one CUDA graph, or as a graph each on a stream of its own.
Experiments on speed alone: what pays moves into `mame_cnn`.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.report import Result
from benchmarks.roofline import synchronise
from benchmarks.static_step import StaticStep
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config import Config
from mame_cnn.inputs.batches import n_steps_per_epoch
from mame_cnn.inputs.device_data import DeviceData

LONGEST_MESSAGE = 200
"""Letters of a failure."""
Epoch = Callable[[], None]
"""Trains every network for one epoch and validates it."""


@dataclass(frozen=True)
class Technique:
    """How to train networks of one shape."""

    precision: str
    make: Callable[[Sequence[Config], DeviceData], Epoch]
    needs_gpu: bool = False


def _as_it_is(configs: Sequence[Config], data: DeviceData) -> Epoch:
    cohort = Cohort(configs, range(len(configs)), data)

    def epoch() -> None:
        cohort.train_epoch()

    return epoch


def _compiled(configs: Sequence[Config], data: DeviceData) -> Epoch:
    cohort = Cohort(configs, range(len(configs)), data)
    cohort.network.compile()

    def epoch() -> None:
        cohort.train_epoch()

    return epoch


def _graph(configs: Sequence[Config], data: DeviceData) -> Epoch:
    return _graphs([StaticStep(Cohort(configs, range(len(configs)), data))])


def _streams(configs: Sequence[Config], data: DeviceData) -> Epoch:
    return _graphs([StaticStep(Cohort([config], [0], data)) for config in configs])


def _graphs(steps: Sequence[StaticStep]) -> Epoch:
    """Capture each step as a graph, and return what replays them, each on its own stream."""
    streams = [torch.cuda.Stream() for _ in steps]
    graphs = [_captured(step, stream) for step, stream in zip(steps, streams, strict=True)]

    def epoch() -> None:
        for step in steps:
            step.begin()
        for stream in streams:
            stream.wait_stream(torch.cuda.current_stream())
        for number in range(steps[0].n_steps):
            for step, graph, stream in zip(steps, graphs, streams, strict=True):
                with torch.cuda.stream(stream):
                    step.place(number)
                    graph.replay()
        for stream in streams:
            torch.cuda.current_stream().wait_stream(stream)
        for step in steps:
            step.end()

    return epoch


def _captured(step: StaticStep, stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
    step.begin()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # torch asks for a few steps aside before it records one
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        step()
    return graph


TECHNIQUES: Mapping[str, Technique] = {
    "float32": Technique("float32", _as_it_is),
    "bfloat16": Technique("bfloat16", _as_it_is),
    "compiled": Technique("bfloat16", _compiled),
    "graph": Technique("bfloat16", _graph, needs_gpu=True),
    "streams": Technique("bfloat16", _streams, needs_gpu=True),
}


def measure(
    technique: Technique, configs: Sequence[Config], data: DeviceData, n_epochs: int
) -> Result:
    """Return the seconds of an epoch after a first one, images/s and the device's peak memory."""
    is_gpu = data.scale.device.type == "cuda"
    gc.collect()
    if is_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        epoch = technique.make(configs, data)
        epochs_s = [_seconds(epoch, data.scale.device) for _ in range(n_epochs + 1)][1:]
    except (RuntimeError, MemoryError) as error:  # too large, or cannot be compiled or captured
        first_line = (str(error).splitlines() or [""])[0]
        return {"failure": f"{type(error).__name__}: {first_line}"[:LONGEST_MESSAGE]}
    epoch_s = median(epochs_s)
    batch_size = min(configs[0].training.batch_size, len(data.train))
    n_images = batch_size * n_steps_per_epoch(len(data.train), batch_size)
    return {
        "failure": None,
        "epoch_s": epoch_s,
        "epochs_s": epochs_s,
        "images_per_s": len(configs) * n_images / epoch_s,
        "peak_mib": torch.cuda.max_memory_allocated() / 2**20 if is_gpu else None,
    }


def _seconds(epoch: Epoch, device: torch.device) -> float:
    """Return the seconds of an epoch; nothing is in flight before and after."""
    synchronise(device)
    started_s = time.perf_counter()
    epoch()
    synchronise(device)
    return time.perf_counter() - started_s
