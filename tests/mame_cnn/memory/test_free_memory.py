import os
import platform
from pathlib import Path

import pytest
import torch

from mame_cnn.memory import free_memory
from mame_cnn.memory.free_memory import RESERVE, free_bytes, give_back, usable_bytes

CPU = torch.device("cpu")
MIB, GIB = 2**20, 2**30


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the root of a machine with 8 GiB to spare."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    meminfo = "MemTotal: 16777216 kB\nMemFree: 1024 kB\nMemAvailable: 8388608 kB\n"
    (tmp_path / "proc" / "meminfo").write_text(meminfo)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/outer/inner\n")
    monkeypatch.setattr(free_memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(free_memory, "CGROUP", tmp_path / "cgroup")
    return tmp_path


def limit(folder: Path, limit: str, *, used: int, of_files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    stat = f"anon 5\ninactive_file {of_files // 2}\nactive_file {of_files // 2}\n"
    (folder / "memory.stat").write_text(stat)


def test_a_machine_without_groups_says_itself_what_is_available() -> None:
    assert free_bytes(CPU) == 8 * GIB


def test_a_tenth_of_what_is_free_is_left_alone() -> None:
    assert usable_bytes(CPU) == pytest.approx((1 - RESERVE) * 8 * GIB, abs=1)
    assert RESERVE == 0.1


def test_the_tightest_group_counts_and_files_in_memory_do_not(machine: Path) -> None:
    limit(machine / "cgroup" / "outer", str(6 * GIB), used=4 * GIB, of_files=3 * GIB)
    limit(machine / "cgroup" / "outer" / "inner", "max", used=4 * GIB, of_files=3 * GIB)
    assert free_bytes(CPU) == 5 * GIB
    limit(machine / "cgroup" / "outer" / "inner", str(4 * GIB), used=3 * GIB, of_files=GIB)
    assert free_bytes(CPU) == 2 * GIB


def test_groups_of_the_first_version_are_passed_over(machine: Path) -> None:
    (machine / "proc" / "self" / "cgroup").write_text("4:memory:/docker/abc\n")
    assert free_bytes(CPU) == 8 * GIB


def test_a_system_without_meminfo_counts_all_memory(machine: Path) -> None:
    (machine / "proc" / "meminfo").unlink()
    assert free_bytes(CPU) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries hold nothing")
def test_memory_that_was_freed_is_given_back() -> None:
    tensor = torch.ones(256 * MIB, dtype=torch.uint8)
    del tensor
    give_back(CPU)
    before = resident_bytes()
    tensor = torch.ones(256 * MIB, dtype=torch.uint8)
    assert resident_bytes() - before > 250 * MIB
    del tensor
    give_back(CPU)
    assert resident_bytes() - before < 50 * MIB


def resident_bytes() -> int:
    n_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return n_pages * os.sysconf("SC_PAGE_SIZE")


def test_a_gpu_that_has_failed_gives_nothing_back_and_hides_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "empty_cache", fail)
    give_back(torch.device("cuda"))
