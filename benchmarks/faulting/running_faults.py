"""What is done to a search while it runs."""

import shutil
import signal
import time

from benchmarks.faulting.loss import Loss
from benchmarks.faulting.processes import Run, marked, send
from benchmarks.faulting.scene import Scene
from benchmarks.faulting.setting import STUDY

_LONGEST_END_S = 300.0
"""From a signal to the end: an epoch, the figures, and an orphan's look at what is left."""


def kill_worker(scene: Scene) -> None:
    """Kill one process that trains."""
    if scene.setting.n_workers == 1:  # it is the process that was started
        scene.allowed.add(-signal.SIGKILL)
    if pids := scene.trainers():
        send(scene.rng.choice(pids), signal.SIGKILL)


def kill_parent(scene: Scene) -> None:
    """Kill the process that was started, sometimes to start another before its workers end."""
    scene.allowed.add(-signal.SIGKILL)
    _signal(scene, signal.SIGKILL)


def kill_all(scene: Scene) -> None:
    """Kill all processes, as a machine does that loses its power."""
    scene.allowed.add(-signal.SIGKILL)
    scene.kill()


def terminate(scene: Scene) -> None:
    """Send SIGTERM."""
    scene.allowed.add(128 + signal.SIGTERM)
    scene.wait([_signal(scene, signal.SIGTERM)], _LONGEST_END_S)


def interrupt(scene: Scene) -> None:
    """Send SIGINT, as Ctrl-C does."""
    scene.allowed.add(128 + signal.SIGINT)
    scene.wait([_signal(scene, signal.SIGINT)], _LONGEST_END_S)


def interrupt_twice(scene: Scene) -> None:
    """Send SIGINT, and again before the search has ended."""
    scene.allowed.add(128 + signal.SIGINT)
    run = _signal(scene, signal.SIGINT)
    time.sleep(scene.rng.uniform(0.0, 0.3))
    run.send(signal.SIGINT)
    scene.wait([run], _LONGEST_END_S)


def suspend(scene: Scene) -> None:
    """Stop a process that trains, and let it go on a moment later."""
    if not (pids := scene.trainers()):
        return
    pid = scene.rng.choice(pids)
    if send(pid, signal.SIGSTOP):
        time.sleep(scene.rng.uniform(0.2, 2.0))
        send(pid, signal.SIGCONT)


def hang(scene: Scene) -> None:
    """Stop a worker for good, and wait until it is killed."""
    if not (pids := scene.trainers()):
        return
    pid = scene.rng.choice(pids)
    if not send(pid, signal.SIGSTOP):
        return
    until_s = time.monotonic() + _LONGEST_END_S
    while pid in marked(scene.mark):
        if time.monotonic() > until_s:
            scene.losses.append(Loss("ending", "a worker that hangs is not replaced"))
            send(pid, signal.SIGKILL)
            return
        time.sleep(0.1)


def fill_disk(scene: Scene) -> None:
    """Leave no room on the disk for some seconds."""
    scene.allowed |= {1, 2}
    pids = scene.processes()
    scene.disk.fill(pids)
    _hold(scene)
    scene.disk.empty(pids)


def protect(scene: Scene) -> None:
    """Let nothing be written for some seconds."""
    scene.allowed |= {1, 2}
    if scene.disk.protect():
        _hold(scene)
        scene.disk.release()


def remove_cache(scene: Scene) -> None:
    """Remove the prepared images."""
    shutil.rmtree(scene.files.cache, ignore_errors=True)


def set_clock(scene: Scene) -> None:
    """Set the clock by up to a day, forwards or back."""
    scene.files.clock.write_text(str(scene.rng.choice((-1, 1)) * scene.rng.uniform(60, 86400)))


def start_again(scene: Scene) -> None:
    """Start the same command beside the one that runs."""
    scene.start()


def stop(scene: Scene) -> None:
    """Ask the search to stop by `search.stop`."""
    running = scene.running
    status, output = scene.tool("search.stop", STUDY, *scene.files.storage[:2])
    if status != 0:
        scene.losses.append(Loss("ending", f"search.stop: exit status {status}: {output[-300:]}"))
    scene.wait(running, _LONGEST_END_S)


def _signal(scene: Scene, number: signal.Signals) -> Run:
    run = scene.rng.choice(scene.running or scene.runs)
    run.send(number)
    return run


def _hold(scene: Scene) -> None:
    """Let some seconds pass, fewer if the search ends."""
    until_s = time.monotonic() + scene.rng.uniform(2.0, 5.0)
    while scene.running and time.monotonic() < until_s:
        time.sleep(0.05)
