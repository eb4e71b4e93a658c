"""What is done to a study's files once all its processes have been killed."""

from pathlib import Path

from benchmarks.faulting.loss import Loss
from benchmarks.faulting.running_faults import kill_all
from benchmarks.faulting.scene import LONGEST_S, Scene
from search.files.checkpoints import files

_DETAILS = (b'"op_code":7,', b'"op_code":8,', b'"op_code":9,', b'"op_code":5,')
"""Of a trial; such records are not forced to the disk before the next one that is."""


def tear_journal(scene: Scene) -> None:
    """Cut the last record off at any byte, as a machine does that loses its power.

    A record that was forced to the disk stays; then half a record follows it.
    """
    kill_all(scene)
    lines = scene.files.journal.read_bytes().splitlines(keepends=True)
    last = lines[-1]
    if any(code in last[:20] for code in _DETAILS):
        lines[-1] = last[: scene.rng.randrange(len(last))]
        scene.files.journal.write_bytes(b"".join(lines))
    else:
        _append(scene, _half(scene, lines))


def half_record(scene: Scene) -> None:
    """Append the beginning of a record."""
    kill_all(scene)
    lines = scene.files.journal.read_bytes().splitlines(keepends=True)
    _append(scene, _half(scene, lines))


def nul_bytes(scene: Scene) -> None:
    """Append NUL bytes, which some file systems leave after a loss of power."""
    kill_all(scene)
    _append(scene, bytes(scene.rng.randrange(1, 4096)))


def garbage(scene: Scene) -> None:
    """Put what is no record between two; it must be refused, and the doctor must mend it."""
    kill_all(scene)
    lines = scene.files.journal.read_bytes().splitlines(keepends=True)
    noise = scene.rng.choice((_noise(scene), _half(scene, lines), bytes(64) + b"\n"))
    at = scene.rng.randrange(1, len(lines))
    scene.files.journal.write_bytes(b"".join([*lines[:at], noise, *lines[at:]]))
    run = scene.start()
    run.wait(LONGEST_S)
    scene.kill()
    if run.status != 2 or "python -m search.doctor" not in run.text():
        words = f"a damaged journal is not refused: {run.text()[-300:]}"
        scene.losses.append(Loss("ending", words))
    scene.judge_ends(2)
    status, output = scene.tool("search.doctor", *scene.files.storage, "--fix")
    if status != 0:
        scene.losses.append(Loss("ending", f"search.doctor --fix: {status}: {output[-300:]}"))


def tear_checkpoint(scene: Scene) -> None:
    """Cut off the newest checkpoint of each trial."""
    kill_all(scene)
    for path in _newest(scene.files.artifacts / "checkpoints"):
        content = path.read_bytes()
        path.write_bytes(content[: scene.rng.randrange(len(content))])


def _newest(folder: Path) -> list[Path]:
    found = (next(files(place), None) for place in sorted(folder.glob("*/*")))
    return [path for path in found if path]


def _noise(scene: Scene) -> bytes:
    return scene.rng.randbytes(scene.rng.randrange(1, 200)).replace(b"\n", b"?") + b"\n"


def _half(scene: Scene, lines: list[bytes]) -> bytes:
    line = scene.rng.choice(lines)
    return line[: scene.rng.randrange(1, len(line) - 1)]


def _append(scene: Scene, content: bytes) -> None:
    with scene.files.journal.open("ab") as file:
        file.write(content)
