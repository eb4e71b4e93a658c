"""Pooling: each channel for itself, so members need no telling apart."""

from torch import Tensor, nn
from torch.nn import functional as F


class Pool(nn.Module):
    """Takes the largest or the mean of each window of [N, C, H, W]; window = stride."""

    def __init__(self, kind: str, pool_size: int):
        super().__init__()
        self.kind = kind
        self.pool_size = pool_size

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of size floor(H / pool_size) x floor(W / pool_size)."""
        pool = F.max_pool2d if self.kind == "max" else F.avg_pool2d
        return pool(maps, self.pool_size)


class GlobalPool(nn.Module):
    """Turns the maps of T members into vectors [T, N, F]: all pixels, their mean or largest."""

    def __init__(self, kind: str, channels: int):
        super().__init__()
        self.kind = kind
        self.channels = channels
        """Channels of one member."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return [T, N, C*H*W] for `flatten`, else [T, N, C]."""
        members: Tensor = maps.unflatten(1, (-1, self.channels)).transpose(0, 1)  # [T, N, C, H, W]
        if self.kind == "flatten":
            return members.flatten(2)
        return members.mean((3, 4)) if self.kind == "average" else members.amax((3, 4))
