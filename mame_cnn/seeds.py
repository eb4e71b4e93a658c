"""Seeds of everything random, derived from few numbers by name.

A derived seed depends on what it is for and on nothing else: not on the order of calls, the
slot in a cohort or what was drawn before. So a trial gives the same result alone or in company,
and an epoch can be repeated without those before it.
"""

import hashlib

import torch


def derive_seed(*parts: str | int) -> int:
    """Return a seed from [0, 2^63) that is a stable function of the parts."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def generator(*parts: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator seeded by the parts."""
    return torch.Generator(device=device).manual_seed(derive_seed(*parts))
