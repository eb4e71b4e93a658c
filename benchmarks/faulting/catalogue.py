"""The faults by name, and what each of them needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.faulting import rest_faults as rest
from benchmarks.faulting import running_faults as running
from benchmarks.faulting.scene import Scene


@dataclass(frozen=True)
class Fault:
    """Something that befalls a study."""

    strike: Callable[[Scene], None]
    has_workers: bool = False
    """Whether it takes a parent that looks after workers."""
    has_disk: bool = False
    """Whether it takes a disk of the round's own."""
    has_clock: bool = False
    """Whether it takes a clock that can be set."""
    has_cache: bool = False
    """Whether it takes data that is prepared."""
    is_at_start: bool = False
    """Whether it strikes when the search is started, if that does not run yet."""


FAULTS: Mapping[str, Fault] = {
    "kill-worker": Fault(running.kill_worker),
    "kill-parent": Fault(running.kill_parent),
    "kill-all": Fault(running.kill_all),
    "sigterm": Fault(running.terminate),
    "sigint": Fault(running.interrupt),
    "sigint-twice": Fault(running.interrupt_twice),
    "suspend": Fault(running.suspend),
    "hang": Fault(running.hang, has_workers=True),
    "full-disk": Fault(running.fill_disk, has_disk=True),
    "read-only": Fault(running.protect, has_disk=True),
    "cache": Fault(running.remove_cache, has_cache=True),
    "clock": Fault(running.set_clock, has_clock=True),
    "two-at-once": Fault(running.start_again, is_at_start=True),
    "stop": Fault(running.stop),
    "torn-journal": Fault(rest.tear_journal),
    "half-record": Fault(rest.half_record),
    "nul-bytes": Fault(rest.nul_bytes),
    "garbage": Fault(rest.garbage),
    "torn-checkpoint": Fault(rest.tear_checkpoint),
}
