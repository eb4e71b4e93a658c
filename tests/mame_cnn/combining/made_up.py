"""Members made up: their probabilities, and labels that they know something of or nothing."""

import numpy as np
from scipy.special import softmax

from mame_cnn.combining.members import Labels, Probs


def members(
    skills: Probs, n_images: int, n_classes: int, seed: int = 0, noise: float = 1.0
) -> tuple[Probs, Labels]:
    """Return probabilities [M, N, K] and labels.

    Args:
        skills: [M] or [M, K], how much a member's logit of the true class is raised.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n_images) % n_classes
    logits = noise * rng.normal(size=(len(skills), n_images, n_classes))
    raised = np.broadcast_to(skills.reshape(len(skills), -1), (len(skills), n_classes))
    logits[:, np.arange(n_images), labels] += raised[:, labels]
    return softmax(logits, axis=-1), labels


def accuracy(probs: Probs, labels: Labels) -> float:
    return float((probs.argmax(-1) == labels).mean())
