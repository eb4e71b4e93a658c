"""What is known of images beside their pixels, carried by them in one more row of pixels.

So it goes wherever a batch goes: in whatever order, to whichever process, a member's own or
shared. A network takes it off before it looks at the pixels.
"""

import torch
from torch import Tensor

from mame_cnn.data.metadata import N_SIZE

METADATA_INPUTS = {"none": 0, "size": N_SIZE}
"""How many numbers a network's `metadata` are."""


def metadata_of(network: object) -> str:
    """Return what a network's table says that it sees beside pixels; some families never do."""
    return str(getattr(network, "metadata", "none"))


def with_row(images: Tensor, inputs: Tensor) -> Tensor:
    """Return images [N, C, H + 1, W] that carry inputs [N, M], M being at most W."""
    row = torch.zeros_like(images[:, :, :1])
    row[:, 0, 0, : inputs.shape[1]] = inputs.to(row.dtype)
    return torch.cat([images, row], dim=2)


def apart(images: Tensor, image_size: int, n_inputs: int) -> tuple[Tensor, Tensor]:
    """Return images [..., C, H, W] and what they carried, [..., M].

    Zeros where they carried nothing: what is shown to a network that nobody tells more.
    """
    if images.shape[-2] == image_size:
        return images, images.new_zeros((*images.shape[:-3], n_inputs))
    return images[..., :-1, :], images[..., 0, -1, :n_inputs]
