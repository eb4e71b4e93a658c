import pytest

from commands.errors import UserError
from search.workers.shares import Share, n_usable_cores, shares


def devices(n_wanted: int | None, device: str, n_gpus: int = 0, n_cores: int = 8) -> list[str]:
    return [s.device for s in shares(n_wanted, device, n_gpus=n_gpus, n_cores=n_cores)]


@pytest.mark.parametrize(
    ("n_workers", "n_cores", "n_threads"), [(2, 2, 1), (2, 8, 4), (3, 8, 2), (1, 8, 8)]
)
def test_workers_on_a_cpu_share_its_cores(n_workers: int, n_cores: int, n_threads: int) -> None:
    expected = (Share("cpu", n_threads),) * n_workers
    assert shares(n_workers, "cpu", n_gpus=0, n_cores=n_cores) == expected


def test_each_worker_has_a_gpu_and_its_share_of_the_cores() -> None:
    expected = (Share("cuda:0", 4), Share("cuda:1", 4))
    assert shares(2, "cuda", n_gpus=4, n_cores=8) == expected
    assert shares(2, "cuda", n_gpus=2, n_cores=1)[0].n_threads == 1


@pytest.mark.parametrize(
    ("device", "n_gpus", "expected"),
    [
        ("cpu", 0, ["cpu"]),
        ("cpu", 4, ["cpu"]),
        ("cuda", 1, ["cuda"]),
        ("cuda", 3, ["cuda:0", "cuda:1", "cuda:2"]),
        ("cuda:1", 3, ["cuda:1"]),
    ],
)
def test_by_default_each_gpu_has_a_worker_and_a_cpu_one(
    device: str, n_gpus: int, expected: list[str]
) -> None:
    assert devices(None, device, n_gpus) == expected


@pytest.mark.parametrize(
    ("n_workers", "device", "n_gpus", "expected"),
    [
        (9, "cpu", 0, "--workers 9 on cpu: each needs a core of its own, and there are 8 here"),
        (9, "cpu", 16, "there are 8"),
        (3, "cuda", 2, "--workers 3 on cuda: each needs a GPU of its own, and torch sees 2 here"),
        (2, "cuda:1", 2, "--workers 2 on cuda:1: .* give --device cuda for all GPUs"),
    ],
)
def test_more_workers_than_places_are_refused(
    n_workers: int, device: str, n_gpus: int, expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        devices(n_workers, device, n_gpus)


def test_this_process_may_use_a_core() -> None:
    assert n_usable_cores() >= 1
