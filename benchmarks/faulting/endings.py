"""How a command ended, against what its documentation says of ends."""

from collections.abc import Collection, Iterator

from benchmarks.faulting.loss import Loss

_TRACEBACKS = ("Traceback (most recent call last)", "Exception ignored in", "Fatal Python error")
_WORDS = {
    1: ("all workers have died", "trials in a row failed"),
    2: ("error: ",),
    130: ("the same command goes on with it", "stopped"),
    143: ("the same command goes on with it",),
}
"""What a command that ends with this status has said, one of it."""


def losses_of_end(status: int, output: str, allowed: Collection[int]) -> Iterator[Loss]:
    """Yield what is wrong with an end.

    Args:
        allowed: statuses, besides 0, that what was done to the command explains.
    """
    for words in _TRACEBACKS:
        if words in output:
            yield Loss("traceback", _last_lines(output))
            break
    if status not in {0, *allowed}:
        yield Loss("ending", f"exit status {status}: {_last_lines(output)}")
    elif not any(words in output for words in _WORDS.get(status, ("",))):
        yield Loss("ending", f"exit status {status} without its message: {_last_lines(output)}")


def _last_lines(output: str) -> str:
    return " / ".join(output.strip().splitlines()[-6:])[-600:]
