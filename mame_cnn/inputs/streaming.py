"""Training images that the device has no room for, sent to it while it computes.

The host gathers a batch into pinned memory, from where the device copies it on a stream of its
own, as it still trains on the batch before.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

N_PLACES = 2
"""Batches under way: one is computed on while the next is gathered and copied."""


def gathered(images: Tensor, rows: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Return chosen images on the device, [N, H, W, C] a step, or whatever a row of them is.

    Images that had to be sent are overwritten N_PLACES steps later: use them before.

    Args:
        images: [*, H, W, C], uint8 unless they are features; on the device or, where it has no
            room for them, on the host.
        rows: int64 [S, N], which ones; where the images are.
    """
    if images.device == device:
        return (images[step_rows] for step_rows in rows)
    return sent(images, rows, device)


def sent(images: Tensor, rows: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Return chosen images of the host as `gathered` does, always by way of a buffer."""
    shape = (rows.shape[1], *images.shape[1:])
    if device.type == "cuda":
        lane = torch.cuda.Stream(device)
        places: list[_Place] = [
            _PinnedPlace(shape, images.dtype, device, lane) for _ in range(N_PLACES)
        ]
    else:
        places = [_Place(shape, images.dtype, device) for _ in range(N_PLACES)]
    return _in_turn(places, images, rows)


def _in_turn(places: "list[_Place]", images: Tensor, rows: Tensor) -> Iterator[Tensor]:
    for step, step_rows in enumerate(rows):
        place = places[step % N_PLACES]
        yield place.send(images, step_rows)
        place.release()  # whoever asks for the next batch has queued all work on this one


class _Place:
    """A buffer on the host and one on the device."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device):
        is_pinned = device.type == "cuda"
        self._host = torch.empty(shape, dtype=dtype, pin_memory=is_pinned)
        self._sent = torch.empty(shape, dtype=dtype, device=device)

    def send(self, images: Tensor, rows: Tensor) -> Tensor:
        """Gather images and return them on the device."""
        torch.index_select(images, 0, rows, out=self._host)
        return self._sent.copy_(self._host)

    def release(self) -> None:
        """Allow the images to be overwritten."""


class _PinnedPlace(_Place):
    """Buffers between which a GPU copies on a stream of its own, without the host waiting."""

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device,
        lane: torch.cuda.Stream,
    ):
        super().__init__(shape, dtype, device)
        self._lane = lane
        self._copied, self._used = torch.cuda.Event(), torch.cuda.Event()
        self._sent.record_stream(lane)  # not to be given away while a copy into it is under way
        self.release()

    def send(self, images: Tensor, rows: Tensor) -> Tensor:
        """Gather images, have them copied, and return where they will be.

        The host waits only if the copy of N_PLACES steps ago is still under way, and so never
        runs further ahead of the device.
        """
        self._copied.synchronize()
        torch.index_select(images, 0, rows, out=self._host)
        with torch.cuda.stream(self._lane):
            self._lane.wait_event(self._used)
            self._sent.copy_(self._host, non_blocking=True)
            self._copied.record(self._lane)
        torch.cuda.current_stream(self._sent.device).wait_event(self._copied)
        return self._sent

    def release(self) -> None:
        """Allow the images to be overwritten once the work queued so far is done."""
        self._used.record(torch.cuda.current_stream(self._sent.device))
