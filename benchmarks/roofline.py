"""What the machine can do at best: a large convolution in each precision, and a memory copy."""

import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

STEPS_A_ROUND = 20
MIN_SECONDS = 1.0  # long enough that the clock's and the scheduler's grain do not show


def convolution_gflops(device: torch.device, dtype: torch.dtype) -> float:
    """Return 10^9 operations per second of a forward and backward convolution.

    64 images of 56 x 56 pixels, 128 to 128 channels, 3 x 3: 37 GFLOP forward, a shape on which
    libraries do their best.
    """
    n, channels, size = 64, 128, 56
    images = torch.randn(n, channels, size, size, device=device, dtype=dtype)
    images = images.to(memory_format=torch.channels_last).requires_grad_()
    kernel = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
    kernel = (kernel * 0.01).to(memory_format=torch.channels_last).requires_grad_()
    # Two operations a multiply-add; the backward pass has two such convolutions.
    flop = 3 * 2 * n * channels * channels * 9 * size**2

    def step() -> None:
        F.conv2d(images, kernel, padding=1).sum().backward()

    return flop / _seconds(step, device) / 1e9


def copy_gb_per_s(device: torch.device) -> float:
    """Return 10^9 bytes per second read and written by a copy of 256 MiB."""
    source = torch.ones(2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def step() -> None:
        target.copy_(source)

    return 2 * source.numel() / _seconds(step, device) / 1e9


def flop_per_image(network: torch.nn.Module, image_size: int) -> float:
    """Return the operations of a forward and backward pass of one image."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        images = torch.empty(2, 3, image_size, image_size)
    counter = FlopCounterMode(display=False)
    with counter:
        network.to("meta")(images).sum().backward()
    return counter.get_total_flops() / 2


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    """Return the seconds of a step: the median of many rounds, after a warm-up.

    A GPU makes several steps a round, as waiting for it takes as long as a short step.
    """
    n_steps = STEPS_A_ROUND if device.type == "cuda" else 1
    step()
    times: list[float] = []
    while sum(times) < MIN_SECONDS:
        synchronise(device)
        started_s = time.perf_counter()
        for _ in range(n_steps):
            step()
        synchronise(device)
        times.append(time.perf_counter() - started_s)
    return sorted(times)[len(times) // 2] / n_steps


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
