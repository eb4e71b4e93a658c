"""One trained network with all around it, from bytes to probabilities.

Prediction and the ONNX export run the same module, so that neither can drift from the other.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mame_cnn.families.network import CohortNetwork
from mame_cnn.inputs.metadata_row import with_row
from mame_cnn.inputs.normalisation import normalise, scale_and_offset
from mame_cnn.models.views import seen


class Classifier(nn.Module):
    """Takes uint8 images [N, H, W, C]; returns probabilities [N, K], the mean over all views."""

    scale: Tensor  # [C, 1, 1]
    offset: Tensor  # [C, 1, 1]

    def __init__(
        self,
        network: CohortNetwork,
        mean: Sequence[float],
        std: Sequence[float],
        normalisation: str,
        views: str,
        dtype: torch.dtype,
    ):
        """Put a cohort of one, on its device, into evaluation.

        Args:
            normalisation: as of a configuration.
            dtype: of the probabilities.
        """
        super().__init__()
        weight = network.weight()
        scale, offset = scale_and_offset(mean, std, dtype=weight.dtype, device=weight.device)
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)
        self.normalisation = normalisation
        self.network = network
        self.views = views
        self.dtype = dtype
        self.eval()

    def forward(self, images: Tensor, metadata: Tensor | None = None) -> Tensor:
        """Return the probabilities of every class.

        Args:
            metadata: [N, M], what images carry beside their pixels, if the network sees that.
        """
        views = seen(images, self.views)
        together = self.normalise(torch.cat(views))  # [V*N, C, H, W]
        if metadata is not None:
            together = with_row(together, metadata.repeat(len(views), 1))
        [logits] = self.network(together)
        probs = torch.softmax(logits.to(self.dtype), dim=-1)
        by_view: Tensor = probs.unflatten(0, (len(views), -1))  # [V, N, K]
        return by_view.mean(0)

    def normalise(self, images: Tensor) -> Tensor:
        """Return uint8 images [N, H, W, C] as the network reads them, [N, C, H, W]."""
        return normalise(images, self.scale, self.offset, self.normalisation)
