"""Changes of a whole image's colour along those in which the training images differ.

The colour augmentation of AlexNet (Krizhevsky et al. 2012, section 4.1): p_1, p_2, p_3 being the
principal components of the training pixels and v_1, v_2, v_3 their variances, each pixel of an
image gets the sum of a_i * v_i * p_i, with a_i drawn anew whenever the image is used.
"""

import torch
from torch import Tensor

IMAGES_AT_ONCE = 32


def colour_axes(images: Tensor) -> Tensor:
    """Return each principal component times its variance as a row, [C, C] in float64.

    Components and variances are those of all pixels of uint8 images [N, H, W, C], with values
    scaled to [0, 1].
    """
    channels = images.shape[3]
    n = images[..., 0].numel()
    total = images.new_zeros(channels, dtype=torch.float64)
    products = images.new_zeros(channels, channels, dtype=torch.float64)
    # Sums of whole numbers, exact in float64: the same whatever the device and the order.
    for some in images.split(IMAGES_AT_ONCE):
        pixels = some.reshape(-1, channels).double()
        total += pixels.sum(0)
        products += pixels.T @ pixels
    mean = total / n
    covariance = (products / n - torch.outer(mean, mean)) / 255**2
    variances, components = torch.linalg.eigh(covariance.cpu())  # components are columns
    # Which of its two directions a component has is left open; here its largest part is above 0.
    largest = components.gather(0, components.abs().argmax(0, keepdim=True))
    axes: Tensor = (variances * components * largest.sign()).T.contiguous()
    return axes.to(images.device)


def draw_colours(n_images: int, channels: int, generator: torch.Generator) -> Tensor:
    """Return normal numbers of deviation 1, [N, C]: one for each component."""
    return torch.randn(n_images, channels, generator=generator)


def colour_changes(drawn: Tensor, axes: Tensor) -> Tensor:
    """Return [N, C]: what to add to each image's pixels, in grey levels from 0 to 255.

    With a deviation of 1 of what multiplies the components; another one is a factor.

    Args:
        drawn: [N, C], as of `draw_colours`.
        axes: [C, C], as of `colour_axes`.
    """
    return 255 * drawn @ axes.to(drawn)
