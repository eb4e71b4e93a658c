"""What an ensemble's making tells: combiners out of fold, calibration, searched and trained."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from commands.counting import counted
from mame_cnn.ensembles.choice import Choice
from mame_cnn.models.ensemble import Member

_COMBINERS, _MEMBERS = "combiners.csv", "members.csv"
TABLES = (_COMBINERS, _MEMBERS)
"""What an ensemble's folder gets beside its file."""


def figures(choice: Choice) -> dict[str, Any]:
    """Return the choice's figures as an ensemble's file keeps them."""
    calibration, comparison = choice.calibration, choice.comparison
    best, corrected = comparison.row("single"), choice.corrected
    gain, low, high = choice.gain
    return {
        "combiner": choice.combination.name,
        "accuracy": choice.row.accuracy,
        **({} if corrected is None else {"accuracy_corrected_for_choosing": corrected}),
        "gain_over_best_member": gain,
        "gain_low": low,
        "gain_high": high,
        "best_member_accuracy": best.accuracy,
        "n_folds": comparison.n_folds,
        "n_repeats": comparison.n_repeats,
        "log_loss_before_scaling": calibration.log_loss[0],
        "log_loss_after_scaling": calibration.log_loss[1],
        "calibration_error_before_scaling": calibration.error[0],
        "calibration_error_after_scaling": calibration.error[1],
    }


def write_tables(folder: Path, choice: Choice, members: Sequence[Member]) -> None:
    """Write all `TABLES`."""
    rows = [
        {"views": views, **asdict(row)}
        for views, comparison in choice.comparisons.items()
        for row in comparison.rows
    ]
    pd.DataFrame(rows).to_csv(folder / _COMBINERS, index=False)
    pd.DataFrame(_member_rows(members)).to_csv(folder / _MEMBERS, index=False)


def say(console: Console, choice: Choice, members: Sequence[Member]) -> None:
    """Print the combiners, the gap between search and training, and the verdict."""
    for views, comparison in choice.comparisons.items():
        table = Table(
            title=f"combiners out of fold ({comparison.n_folds} folds x {comparison.n_repeats})"
            + (f", views: {views}" if len(choice.comparisons) > 1 else ""),
            title_justify="left",
        )
        for heading in ("", "accuracy", "log loss", "gain over the best member, 95 %"):
            table.add_column(heading, justify="left" if not heading else "right")
        for row in comparison.rows:
            gain = "" if row.name == "single" else _points(row.gain, row.gain_low, row.gain_high)
            name = "best member" if row.name == "single" else row.name
            table.add_row(name, f"{row.accuracy:.1%}", f"{row.log_loss:.3f}", gain)
        console.print(table)
    for line in (*_gap_lines(members), *_verdict(choice), *_calibration(choice)):
        console.print(line, markup=False)


def _verdict(choice: Choice) -> Iterator[str]:
    comparison, row = choice.comparison, choice.row
    if not comparison.beats_single:
        yield "no combiner is right more often than the best member out of fold"
    if row.name == "single":
        yield f"used: the best member alone, {row.accuracy:.1%}"
        return
    corrected = choice.corrected
    luck = "" if corrected is None else f" ({corrected:.1%} corrected for choosing)"
    alike = "" if corrected is None else ", corrected alike"
    sure = "beyond chance" if choice.gain[1] > 0 else "within what chance explains"
    yield (
        f"used: {row.name}, {row.accuracy:.1%} out of fold{luck}, "
        f"{_points(*choice.gain)} points over the best member{alike}: {sure}"
    )


def _calibration(choice: Choice) -> Iterator[str]:
    calibration = choice.calibration
    before, after = calibration.error
    kept = "kept" if calibration.temperature != 1 else "not kept, log loss is no lower"
    yield (
        f"temperature {calibration.temperature:.2f}: calibration error {before:.1%} before, "
        f"{after:.1%} after, log loss {calibration.log_loss[0]:.3f} and "
        f"{calibration.log_loss[1]:.3f}, out of fold: {kept}"
    )


def _gap_lines(members: Sequence[Member]) -> Iterator[str]:
    """Yield for each configuration what the search found and what training it anew gives."""
    rows = pd.DataFrame(_member_rows(members))
    if rows["searched"].notna().any() and rows["trained"].notna().any():
        yield "a searched score was chosen for its luck too, one of training anew was not:"
    for name, own in rows.groupby("configuration", sort=False):
        trained = own["trained"].dropna().tolist()
        if not trained:
            continue
        spread = f", sd {100 * stdev(trained):.1f}" if len(trained) > 1 else ""
        line = f"  {name}: trained {mean(trained):.1%}{spread} ({counted(len(trained), 'seed')})"
        searched = own["searched"].iloc[0]
        if pd.notna(searched):
            gap = 100 * (mean(trained) - searched)
            line += f", searched {searched:.1%}, gap {gap:+.1f} points"
        yield line


def _member_rows(members: Sequence[Member]) -> list[dict[str, Any]]:
    """Return a row a member: who it is, and its searched and trained accuracy."""
    rows = []
    for member in members:
        provenance = member.model.provenance
        searched = provenance.get("value")
        rows.append(
            {
                "member": member.name,
                "configuration": member.name.rpartition("-seed-")[0],
                "study": provenance.get("study"),
                "trial": provenance.get("trial"),
                "seed": member.model.config.seed,
                "searched": searched if isinstance(searched, float) else None,
                "trained": member.model.metrics.get("val_accuracy"),
                "best_epoch": member.model.metrics.get("best_epoch"),
            }
        )
    return rows


def _points(gain: float, low: float, high: float) -> str:
    return f"{100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
