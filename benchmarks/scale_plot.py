"""The picture of the scale benchmark: the pace, the time lost, and what more trials cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report import Result
from benchmarks.scale_model import Growth, cost_alone

_COLOURS = {"journal": "#009E73", "postgresql": "#0072B2", "grpc": "#D55E00"}
"""Of Okabe and Ito's palette, told apart with every kind of colour vision."""
_STYLES = ("-", "--", "-.", ":")
_MOST_WORKERS, _MOST_TRIALS = 256, 100_000


def plot(
    results: Sequence[Result], models: Mapping[str, Growth | None], trial_s: float, path: Path
) -> None:
    """Draw three panels: asks a second, the predicted share that is lost, the cost of a trial.

    Args:
        trial_s: how long trials last for the second panel.
    """
    figure = Figure(figsize=(12, 4), layout="constrained")
    pace, share, cost = figure.subplots(1, 3)
    for storage, model in models.items():
        rows = [one for one in results if one["storage"] == storage]
        colour = _COLOURS[storage]
        for before, style in zip(sorted({one["before"] for one in rows}), _STYLES, strict=False):
            own = [one for one in rows if one["before"] == before]
            workers, asks = zip(*((one["workers"], one["asks_per_s"]) for one in own), strict=True)
            label = f"{storage}, after {before:,} trials"
            pace.plot(workers, asks, f"o{style}", color=colour, label=label)
        _share(share, rows, model, trial_s, colour)
        _cost(cost, rows, model, colour)
    pace.set(title="Trials that train nothing", xlabel="workers", ylabel="asks a second")
    pace.set_ylim(bottom=0)
    share.set(title=f"Trials of {trial_s:g} s", xlabel="workers", ylabel="share of time lost, %")
    share.axhline(5, color="0.5", linestyle=":")
    share.set_ylim(0, 50)
    cost.set(title="One worker", xlabel="trials in the study", ylabel="cost of a trial, ms")
    cost.set_yscale("log")
    cost.set_xscale("log")
    for axes in (pace, share):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
    for axes in (pace, share, cost):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*pace.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _share(
    axes: Axes, rows: Sequence[Result], model: Growth | None, trial_s: float, colour: str
) -> None:
    """Draw what is predicted for the largest study measured, and dashed for a larger one."""
    workers = [2**i for i in range(_MOST_WORKERS.bit_length())]
    largest = max(rows, key=lambda one: (one["before"], -one["workers"]))
    for cost, style in ((cost_alone(largest), "-"), (model and model.at(_MOST_TRIALS), "--")):
        if cost:
            lost = [100 * cost.lost_share(n, trial_s) for n in workers]
            axes.plot(workers, lost, style, color=colour)


def _cost(axes: Axes, rows: Sequence[Result], model: Growth | None, colour: str) -> None:
    """Draw what was measured, and dashed the line through it."""
    fewest = min(one["workers"] for one in rows)
    windows = [each for one in rows if one["workers"] == fewest for each in one["windows"]]
    at = [window["at"] for window in windows]
    measured = [1000 * (one["held_s"] + one["alone_s"]) / one["epochs"] for one in windows]
    axes.plot(at, measured, "o", color=colour, markersize=3)
    if model:
        ahead = [max(at) * (_MOST_TRIALS / max(at)) ** (i / 20) for i in range(21)]
        costs = [model.at(n) for n in ahead]
        axes.plot(ahead, [1000 * (one.held_s + one.alone_s) for one in costs], "--", color=colour)
