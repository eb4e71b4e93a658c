"""What holds for every test: nothing asks for the network, a busy machine fails nothing, Ctrl-C is
heard, and what needs a GPU is skipped where there is none."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.without_network import sitecustomize as network  # importing it closes the network

GUARD = str(Path(network.__file__).parent)
"""The folder that closes the network to processes which have it on their PYTHONPATH."""

# Workers share the cores: threads of one that spin while another computes take half of the time.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A script's background jobs are born deaf to it, and tests that send it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `gpu` on a machine without one."""
    if item.get_closest_marker("gpu"):
        import torch  # which takes seconds, and not every test needs

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def closed_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that asked for the network, even where it caught the error."""
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([GUARD, known] if known else [GUARD]))
    network.attempts.clear()
    yield
    assert not network.attempts
