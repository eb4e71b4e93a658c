"""How torch's threads on the CPU wait for one another."""

import os

SPIN_COUNT = "2000"
"""Turns that a thread spins before it sleeps; libgomp's own default is 300,000.

On two cores with another program running, the default let threads spin while the one they waited
for had no core: 90 images/s instead of 1,800 (32-pixel images; 5,300 and 6,300 alone).
"""


def limit_spinning() -> None:
    """Limit spinning, unless the user has set it; takes effect only before torch is imported."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
