import os
import platform
import subprocess
import sys

import pytest

PRINT = "import mame_cnn, os; print(os.environ['GOMP_SPINCOUNT'])"


def spin_count(**own: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", PRINT]
    done = subprocess.run(
        command, env=environment | own, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_threads_spin_shortly_unless_the_user_says_otherwise() -> None:
    assert spin_count() == "2000"
    assert spin_count(GOMP_SPINCOUNT="7") == "7"


ALLOCATE = """
import ctypes, sys, resource, numpy
PR_SET_THP_DISABLE = 41  # of linux/prctl.h: whether pages are huge depends on all that runs
ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
if sys.argv[1] == "kept":
    import mame_cnn
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
numpy.ones(2**24)
before = faults()
for _ in range(5):
    numpy.ones(2**24)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator is set")
def test_freed_memory_is_used_again_unless_the_user_says_otherwise() -> None:
    def page_faults(which: str, **own: str) -> int:
        command = [sys.executable, "-c", ALLOCATE, which]
        done = subprocess.run(
            command, env={**os.environ, **own}, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    # Five times 128 MiB: cleared anew that is 163,840 pages of 4 KiB.
    plain = page_faults("plain")
    assert page_faults("kept") < plain / 10
    assert page_faults("kept", MAME_ALLOCATOR="default") > plain / 2
