"""What members say of a split, checked: every combiner relies on rows that are distributions."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from commands.errors import UserError

Probs = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

TOLERANCE = 1e-3
"""How far a row's sum may lie from 1: float16 rounds each probability by up to 2^-11 of it, so
the sum by up to 0.0005."""

LEAST = float(np.finfo(np.float16).smallest_subnormal)
"""What a smaller probability counts as where a logarithm is taken, 6e-8: the last step above 0
in float16, in which searches keep probabilities."""


def checked(
    probs: Iterable[npt.ArrayLike], labels: npt.ArrayLike, names: Sequence[str] | None = None
) -> tuple[Probs, Labels]:
    """Return members' probabilities [M, N, K] with rows that sum to 1, and labels int64 [N].

    Raises `UserError` naming every fault of every member and of the labels.

    Args:
        probs: an array [M, N, K], or [N, K] of each member.
        names: what to call the members in messages; by number where not given.
    """
    members = _members(probs)
    given = np.asarray(labels)
    faults = _member_faults(members, names) or _label_faults(given, members[0].shape)
    return _stacked(members, faults), given.astype(np.int64)


def checked_probs(probs: Iterable[npt.ArrayLike], names: Sequence[str] | None = None) -> Probs:
    """Return members' probabilities [M, N, K] with rows that sum to 1, as `checked` does."""
    members = _members(probs)
    return _stacked(members, _member_faults(members, names))


def floored_log(probs: Probs) -> Probs:
    """Return logarithms of probabilities, those below `LEAST` counting as `LEAST`."""
    logs: Probs = np.log(np.maximum(probs, LEAST))
    return logs


def normalised(scores: Probs) -> Probs:
    """Return scores >= 0 divided by their sum over classes, the last axis."""
    shares: Probs = scores / scores.sum(-1, keepdims=True)
    return shares


def _members(probs: Iterable[npt.ArrayLike]) -> list[Probs]:
    return [np.asarray(member, dtype=np.float64) for member in probs]


def _stacked(members: list[Probs], faults: list[str]) -> Probs:
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise UserError(f"probabilities that cannot be combined:\n{lines}")
    return normalised(np.stack(members))


def _member_faults(members: list[Probs], names: Sequence[str] | None) -> list[str]:
    if not members:
        return ["no members; at least one is needed"]
    names = names or [f"member {number}" for number in range(1, len(members) + 1)]
    named = list(zip(names, members, strict=True))
    faults = []
    for axis, what in enumerate(("images", "classes")):
        counts = [(name, probs.shape[axis]) for name, probs in named if probs.ndim == 2]
        if len({count for _, count in counts}) > 1:
            found = ", ".join(f"{name} {count}" for name, count in counts)
            faults.append(f"members have different numbers of {what}: {found}")
    return faults + [f"{name}: {fault}" for name, probs in named for fault in _row_faults(probs)]


def _row_faults(probs: Probs) -> list[str]:
    if probs.ndim != 2 or probs.shape[0] < 1 or probs.shape[1] < 2:
        return [f"expected images x classes with at least 1 x 2, got shape {probs.shape}"]
    faults = []
    finite = np.isfinite(probs)
    if n_wrong := int((~finite).sum()):
        faults.append(f"{n_wrong} of {probs.size} probabilities are NaN or infinite")
    if n_wrong := int((probs < 0).sum()):
        faults.append(f"{n_wrong} of {probs.size} are negative, the least {np.nanmin(probs):g}")
    sums = probs.sum(1, where=finite)
    off = finite.all(1) & (np.abs(sums - 1) > TOLERANCE)
    if off.any():
        first = int(off.argmax())
        faults.append(
            f"{off.sum()} of {len(probs)} rows do not sum to 1 within {TOLERANCE:g}, "
            f"row {first} sums to {sums[first]:.6g}"
        )
    return faults


def _label_faults(labels: npt.NDArray[np.generic], shape: tuple[int, ...]) -> list[str]:
    n_images, n_classes = shape
    if not np.issubdtype(labels.dtype, np.integer):
        return [f"labels: expected whole numbers, got {labels.dtype}"]
    if labels.shape != (n_images,):
        return [f"labels: expected one for each of {n_images} images, got shape {labels.shape}"]
    numbers = labels.astype(np.int64)
    outside = (numbers < 0) | (numbers >= n_classes)
    if outside.any():
        found = sorted(set(numbers[outside].tolist()))
        return [f"labels: allowed are 0 to {n_classes - 1}, got also {found}"]
    return []
