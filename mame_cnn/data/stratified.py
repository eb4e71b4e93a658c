"""A fixed stratified choice: the same images on every machine, for ever.

The order within a class comes from SHA-256 of the image's name, not from a random number
generator, whose stream may change from one library version to the next.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction


def quotas(counts: Sequence[int], n: int) -> list[int]:
    """Share n among classes in proportion to their counts, by largest remainder.

    Each quota is within 1 of the exact share. A class of two or more images gives at least
    one, so the sum can exceed n, and none gives its last.
    """
    shares = [Fraction(n * count, sum(counts)) for count in counts]
    quota = [int(share) for share in shares]
    by_remainder = sorted(range(len(counts)), key=lambda k: (quota[k] - shares[k], k))
    for k in by_remainder[: n - sum(quota)]:
        quota[k] += 1
    return [
        min(max(q, 1), count - 1) if count else 0 for q, count in zip(quota, counts, strict=True)
    ]


def choose(names: Sequence[str], labels: Sequence[int], n: int, salt: str) -> set[int]:
    """Return the indices of about n images, each class giving its share.

    Args:
        salt: tells one choice from another over the same names.
    """
    tally = Counter(labels)
    classes = sorted(tally)
    left = dict(zip(classes, quotas([tally[k] for k in classes], n), strict=True))
    digests = [hashlib.sha256(f"{salt}/{name}".encode()).digest() for name in names]
    chosen = set()
    for i in sorted(range(len(names)), key=digests.__getitem__):
        if left[labels[i]] > 0:
            left[labels[i]] -= 1
            chosen.add(i)
    return chosen
