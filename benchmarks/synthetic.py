"""Images of MAMe's shape that need no download: made on the device that is to train on them."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mame_cnn.configuration.config import digest
from mame_cnn.data.dataset import Dataset, Split, mean_and_std

N_TRAIN, N_VAL, N_CLASSES = 20_300, 1_450, 29
"""MAMe's own numbers: 700 and 50 images a class."""
_PATTERN_PX = 8
_NOISE_SHARE = 0.75
_WRONG_SHARE = 0.3
"""Labels that say another class, so that no network gets all of them, as on real images."""
_CHUNK = 512
"""Images made at once: 400 MB of float32 at 256 pixels."""


def mame_shaped(
    image_size: int, device: torch.device, *, n_train: int = N_TRAIN, n_val: int = N_VAL
) -> Dataset:
    """Return a data set in which a coarse pattern under noise tells the class."""
    generator = torch.Generator(device).manual_seed(0)
    shape = (N_CLASSES, 3, _PATTERN_PX, _PATTERN_PX)
    coarse = torch.rand(shape, generator=generator, device=device)
    patterns = F.interpolate(coarse, size=(image_size, image_size), mode="bilinear")
    train = _split("train", n_train, patterns, generator)
    val = _split("val", n_val, patterns, generator)
    sample = torch.from_numpy(train.images[:_CHUNK].copy())  # [N, H, W, C]
    levels = [sample[..., channel].flatten().bincount(minlength=256) for channel in range(3)]
    mean, std = mean_and_std(torch.stack(levels).numpy())
    return Dataset(
        name="synthetic",
        source="synthetic",
        classes=tuple(f"class {number:02d}" for number in range(N_CLASSES)),
        image_size=image_size,
        channels=3,
        mean=mean,
        std=std,
        digest=digest(["synthetic", image_size, n_train, n_val]),
        notes=(),
        train=train,
        val=val,
    )


def _split(name: str, n_images: int, patterns: Tensor, generator: torch.Generator) -> Split:
    true = torch.arange(n_images, device=patterns.device) % N_CLASSES
    size = patterns.shape[-1]
    images = np.empty((n_images, size, size, 3), dtype=np.uint8)
    for start in range(0, n_images, _CHUNK):
        part = _images(patterns[true[start : start + _CHUNK]], generator)
        images[start : start + _CHUNK] = part.cpu().numpy()
    images.setflags(write=False)
    is_wrong = torch.rand(true.shape, generator=generator, device=true.device) < _WRONG_SHARE
    labels = torch.where(is_wrong, (true + 1) % N_CLASSES, true)
    names = tuple(f"{name}-{number:05d}" for number in range(n_images))
    return Split(images, labels.cpu().numpy(), names)


def _images(patterns: Tensor, generator: torch.Generator) -> Tensor:
    """Return patterns [N, C, H, W] under noise as uint8 [N, H, W, C]."""
    noise = torch.rand(patterns.shape, generator=generator, device=patterns.device)
    mixed = patterns.lerp(noise, _NOISE_SHARE).mul_(255).to(torch.uint8)
    return mixed.permute(0, 2, 3, 1).contiguous()
