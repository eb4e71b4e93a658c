"""Seeds derived from a study's seed by a stable hash.

Every draw and every member has its own seed, named by what it is for, so that a study run in
pieces draws and trains what it would have in one go, one trial at a time. With several processes
that holds for the samplers that do not learn, random and grid; the others see trials end in
another order. With cohorts the same pieces give the same trials.
"""

import hashlib
import json


def derive(*parts: int | str) -> int:
    """Return a seed below 2**31 that depends on the parts alone, on any machine and in any year.

    Args:
        parts: the study's seed first, then what the seed is for.
    """
    canonical = json.dumps(parts, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).digest()
    # 31 bits: what NumPy's RandomState, SciPy's engines and TOML integers all accept.
    return int.from_bytes(digest[:4], "big") >> 1


def member_seed(study_seed: int, number: int) -> int:
    """Return the seed of all that is random in one trial's training."""
    return derive(study_seed, "member", number)
