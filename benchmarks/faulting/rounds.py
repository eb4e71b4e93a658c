"""One round of the campaign: which faults it has, how it goes, and what it came to."""

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.faulting import verdict
from benchmarks.faulting.catalogue import FAULTS
from benchmarks.faulting.disk import disk_at
from benchmarks.faulting.looks import Facts, by_place, trials
from benchmarks.faulting.loss import Loss
from benchmarks.faulting.scene import Scene
from benchmarks.faulting.setting import N_TRIALS, Files, Setting
from commands.errors import UserError

_SECOND = 0.35
"""How often a round has a second fault."""
_SHARE = 0.8
"""Of what is left of a study, the part in which faults strike."""
_N_CORES = 2
_OLD_S = 2 * 3600.0
_ANY = -1
"""Trials begun before, where the search has begun already."""


@dataclass(frozen=True)
class Plan:
    """What a round is to be, by the campaign's seed and the round's number alone."""

    seed: int
    number: int
    faults: tuple[str, ...]
    setting: Setting

    def any_has(self, need: str) -> bool:
        """Tell whether one of the faults needs this."""
        return any(getattr(FAULTS[name], need) for name in self.faults)


def plan(seed: int, number: int, names: Sequence[str]) -> Plan:
    """Plan a round; in as many rounds as there are faults, each is the first once."""
    deck = sorted(names)
    random.Random(f"{seed}").shuffle(deck)
    rng = random.Random(f"{seed}/{number}")
    faults = [deck[number % len(deck)]]
    if rng.random() < _SECOND:
        faults.append(rng.choice(deck))
    # In the next pass each fault meets the other number of workers.
    is_even = (number % len(deck) + number // len(deck)) % 2 == 0
    has_workers = any(FAULTS[name].has_workers for name in faults)
    has_cache = any(FAULTS[name].has_cache for name in faults)
    setting = Setting(
        n_workers=1 if is_even and not has_workers else 2,
        data="folder" if has_cache else "digits",
    )
    return Plan(seed, number, tuple(faults), setting)


def run(
    planned: Plan,
    work: Path,
    undisturbed: Mapping[str, Facts],
    is_over: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Run a round and return what it came to; its folder is kept if anything was lost.

    Args:
        is_over: tells whether the campaign has been stopped; then `CampaignOverError` is raised.
    """
    _keep_to_cores(planned.number)
    folder = work / f"round-{planned.seed}-{planned.number}"
    shutil.rmtree(folder, ignore_errors=True)
    files = Files(folder)
    began_s = time.monotonic()
    with disk_at(files.studies, is_small=planned.any_has("has_disk")) as disk:
        scene = Scene(
            files,
            planned.setting,
            work,
            disk,
            random.Random(f"{planned.seed}/{planned.number}/moments"),
            has_clock=planned.any_has("has_clock"),
            is_hanging=planned.any_has("has_workers"),
            is_over=is_over,
        )
        try:
            struck = list(_strike(scene, planned.faults))
            scene.finish()
            losses = [*scene.losses, *_judged(scene, undisturbed)]
        finally:
            scene.kill()
    if not losses:
        shutil.rmtree(folder)
    return {
        "seed": planned.seed,
        "round": planned.number,
        "workers": planned.setting.n_workers,
        "data": planned.setting.data,
        "planned": list(planned.faults),
        "faults": struck,
        "seconds": round(time.monotonic() - began_s, 1),
        "losses": [asdict(loss) for loss in losses],
    }


def _strike(scene: Scene, names: Sequence[str]) -> Iterator[str]:
    """Let the faults strike, one after the other; yield those that found the search running."""
    for index, name in enumerate(names):
        fault = FAULTS[name]
        n_claims = _ANY
        if not scene.running:
            scene.judge_ends()
            n_claims = scene.looks.n_claims()
            scene.start()
            if fault.is_at_start:
                fault.strike(scene)
                yield name
                continue
        share = scene.rng.uniform(0.0, _SHARE / (len(names) - index))
        if scene.reach(n_claims, share):
            fault.strike(scene)
            yield name


def undisturbed(setting: Setting, work: Path) -> dict[str, Facts]:
    """Return the outcomes of a study that nothing befell, by place; it is run once and kept."""
    kept = work / f"undisturbed-{setting.name}.json"
    if not kept.exists():
        _keep_to_cores(0)
        files = Files(work / f"undisturbed-{setting.name}")
        shutil.rmtree(files.folder, ignore_errors=True)
        with disk_at(files.studies, is_small=False) as disk:
            scene = Scene(files, setting, work, disk, random.Random(0))
            scene.finish()
            if found := [*scene.losses, *_judged(scene, {})]:
                raise UserError(f"a study without faults has them: {found}; see {files.folder}")
        aside = kept.with_suffix(".part")
        aside.write_text(json.dumps(by_place(trials(files.journal))))
        aside.rename(kept)
        shutil.rmtree(files.folder)
    told: dict[str, Facts] = json.loads(kept.read_text())
    return told


def _judged(scene: Scene, expected: Mapping[str, Facts]) -> Iterator[Loss]:
    try:
        found = trials(scene.files.journal)
    except UserError as error:
        yield Loss("unreadable", str(error))
        return
    yield from verdict.of_finished(scene.looks.seen, found)
    yield from verdict.of_total(found, N_TRIALS)
    yield from verdict.of_values(found, expected)
    yield from verdict.of_dashboard(scene.files.journal, found)
    yield from verdict.of_leftovers(scene.files)
    _grow_old(scene.files.artifacts)
    # What was kept of a trial just before its record was torn is the doctor's to put aside, too.
    scene.tool("search.doctor", *scene.files.storage, "--fix")
    yield from verdict.of_aside(scene.files)
    yield from verdict.of_doctor(*scene.tool("search.doctor", *scene.files.storage))


def _grow_old(folder: Path) -> None:
    """Let what a killed process was writing aside be an hour old.

    Then `search.doctor --fix` is to remove it; before, its writer might be alive.
    """
    for path in folder.rglob(".*"):
        os.utime(path, (time.time() - _OLD_S,) * 2)


def _keep_to_cores(number: int) -> None:
    """Give this thread, and what it starts, two cores: a worker of two then has one thread."""
    cores = sorted(os.sched_getaffinity(os.getpid()))
    first = _N_CORES * number % len(cores)
    os.sched_setaffinity(0, (cores + cores)[first : first + _N_CORES])
