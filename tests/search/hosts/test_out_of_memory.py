from pathlib import Path

import pytest

from search.hosts.out_of_memory import n_oom_kills


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /proc and /sys/fs/cgroup."""
    for name in ("_PROC", "_CGROUP"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(f"search.hosts.out_of_memory.{name}", tmp_path / name)
    return tmp_path


def test_a_system_that_tells_nothing_has_killed_nobody(system: Path) -> None:
    assert n_oom_kills() == 0


def test_the_machine_counts_where_the_group_does_not(system: Path) -> None:
    (system / "_PROC" / "vmstat").write_text("nr_free_pages 9\noom_kill 3\n")
    assert n_oom_kills() == 3


def test_the_own_control_group_counts_first(system: Path) -> None:
    (system / "_PROC" / "vmstat").write_text("oom_kill 3\n")
    (system / "_PROC" / "self").mkdir()
    (system / "_PROC" / "self" / "cgroup").write_text("0::/job/step\n")
    (system / "_CGROUP" / "job" / "step").mkdir(parents=True)
    (system / "_CGROUP" / "job" / "step" / "memory.events").write_text(
        "low 0\noom 1\noom_kill 1\n"
    )
    assert n_oom_kills() == 1
