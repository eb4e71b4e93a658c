"""The picture of the search benchmark: best validation accuracy so far against time."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.arms import ARMS
from benchmarks.best_so_far import Curve, median_curve
from benchmarks.search_runs import Run
from commands.errors import UserError

# Okabe and Ito's palette, told apart with every kind of colour vision; the order is that of ARMS.
COLOURS = ("#D55E00", "#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#0072B2")
SUFFIXES = (".svg", ".png", ".pdf")


def check_can_plot(path: Path) -> None:
    """Raise `UserError` if a picture could not be made: known before hours of runs, not after."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"--plot {path}: must end in {', '.join(SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise UserError(f"--plot {path}: needs matplotlib; pip install matplotlib")


def plot(runs: Sequence[Run], seconds: float, path: Path) -> None:
    """Draw a thin line a seed and a thick one for each arm's median."""
    from matplotlib.figure import Figure

    # In minutes where a run has some.
    unit, unit_s = ("minutes", 60) if seconds >= 120 else ("seconds", 1)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for arm, colour in zip(ARMS, COLOURS, strict=True):
        curves = [run.curve for run in runs if run.arm == arm]
        if not curves:
            continue
        for curve in curves:
            axes.plot(*_steps(curve, seconds, unit_s), color=colour, linewidth=0.6, alpha=0.5)
        label = f"{ARMS[arm].title}, median of {len(curves)}"
        steps = _steps(median_curve(curves), seconds, unit_s)
        axes.plot(*steps, color=colour, linewidth=2.4, label=label)
    axes.set_xlabel(f"wall-clock time since the start of the process, {unit}")
    axes.set_ylabel("best validation accuracy so far, %")
    axes.set_xlim(0, seconds / unit_s)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path)


def _steps(curve: Curve, seconds: float, unit_s: int) -> tuple[list[float], list[float]]:
    """Return the corners of a curve that holds each value until the next, up to the end."""
    times, values = [], []
    ends = [*(seen_s for seen_s, _ in curve[1:]), seconds]
    for (start, value), end in zip(curve, ends, strict=False):
        times += [start / unit_s, end / unit_s]
        values += [100 * value, 100 * value]
    return times, values
