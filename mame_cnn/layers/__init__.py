"""Layers of a cohort: each computes T members at once, T = 1 being the plain case.

Maps travel as [N, T*C, H, W], the channels of a member side by side, so that pooling and
elementwise functions need no cohort version. Vectors travel as [T, N, F]. Every parameter and
buffer leads with T; its rest has the shape that torch.nn gives the plain layer.
"""

from mame_cnn.layers.activation import make_activation
from mame_cnn.layers.batch_norm import CohortBatchNorm1d, CohortBatchNorm2d
from mame_cnn.layers.conv import CohortConv2d
from mame_cnn.layers.dropout import CohortDropout
from mame_cnn.layers.linear import CohortLinear
from mame_cnn.layers.pooling import GlobalPool, Pool

__all__ = [
    "CohortBatchNorm1d",
    "CohortBatchNorm2d",
    "CohortConv2d",
    "CohortDropout",
    "CohortLinear",
    "GlobalPool",
    "Pool",
    "make_activation",
]
