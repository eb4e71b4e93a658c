"""An evaluation as lines of text for a terminal."""

from collections.abc import Iterator, Sequence

from mame_cnn.evaluating.folder import Measured
from mame_cnn.evaluating.ledger import Opening
from mame_cnn.scoring.evaluation import confused_pairs, evaluate
from mame_cnn.scoring.scores import Floats, Integers

_SHOWN = {
    "accuracy": "accuracy (micro)",
    "balanced_accuracy": "balanced accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "top3_accuracy": "top-3 accuracy",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}
N_PAIRS = 5


def score_lines(measured: Measured) -> Iterator[str]:
    """Yield a table of scores with 95 % intervals, then the members of an ensemble."""
    yield f"{'':<20}{'score':>8}   95 % interval"
    for name, title in _SHOWN.items():
        interval = measured.intervals.get(name)
        form = ".3f" if name == "log_loss" else ".1%"
        ends = f"   {interval.low:{form}} to {interval.high:{form}}" if interval else ""
        yield f"{title:<20}{getattr(measured.scores, name):8{form}}{ends}"
    if measured.members:
        width = max(6, *map(len, measured.members))
        yield ""
        yield f"{'member':<{width}}  accuracy  macro F1  log loss"
        for name, own in measured.members.items():
            yield (
                f"{name:<{width}}  {own.accuracy:8.1%}  {own.macro_f1:8.1%}  {own.log_loss:8.3f}"
            )


def pair_lines(probs: Floats, labels: Integers, classes: Sequence[str]) -> Iterator[str]:
    """Yield the pairs of classes that were confused most."""
    pairs = confused_pairs(evaluate(probs, labels, classes).confusions).head(N_PAIRS)
    if len(pairs):
        yield "most confused"
    for row in pairs.to_dict("records"):
        one, other = row["class"], row["other"]
        yield (
            f"{row['confused']:>6}  {one} / {other}: {row['class_taken_for_other']} {one} taken "
            f"for {other}, {row['other_taken_for_class']} the other way"
        )


def opening_lines(openings: Sequence[Opening]) -> Iterator[str]:
    """Yield every opening of the test set, with the reason for it."""
    if openings:
        times = "once" if len(openings) == 1 else f"{len(openings)} times"
        yield f"the test set of these data has been opened {times}:"
    yield from (f"  {opening}" for opening in openings)
