"""Settings of the process that make networks train faster on a CPU; made when imported.

Both must come before torch makes its first thread and tensor, and both leave alone what the user
has set: `GOMP_SPINCOUNT`, and `MAME_ALLOCATOR=default` for the C library's own rules.
"""

import ctypes
import os
import sys

SPIN_COUNT = "2000"
"""Turns that a thread spins before it sleeps; libgomp's own default is 300,000.

On two cores with another program running, the default let threads spin while the one they waited
for had no core: 90 images/s instead of 1,800 (32-pixel images; 5,300 and 6,300 alone).
"""

# Numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_NEVER = -1


def limit_spinning() -> None:
    """Let threads that wait for others sleep soon."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def keep_freed_memory() -> None:
    """Keep freed memory for the next tensor; with glibc only.

    glibc gives every large tensor back to the kernel, which clears its pages anew in every
    step: 630 images/s instead of 920 at 64 pixels, 29 instead of 57 at 256 (MAMe experiment 7,
    batch 128, two cores of an AMD EPYC). The price is that the process never shrinks below its
    largest moment.
    """
    if not sys.platform.startswith("linux") or os.environ.get("MAME_ALLOCATOR") == "default":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries, such as musl, have none
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
