"""A model card (Mitchell et al. 2019, arXiv 1810.03993) that writes itself, as Markdown.

It repeats what files say: nothing is computed here, and nothing is left out because it is bad.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mame_cnn.configuration.network_words import in_words
from mame_cnn.evaluating.ledger import Opening
from mame_cnn.families.network import n_parameters
from mame_cnn.models.ensemble import Ensemble, Member
from mame_cnn.models.model import Model
from mame_cnn.scoring.intervals import Interval
from mame_cnn.scoring.scores import Scores

_ROWS = {
    "accuracy": "accuracy (micro)",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "F1, macro",
    "weighted_f1": "F1, weighted",
    "top3_accuracy": "top-3 accuracy",
    "log_loss": "log loss (nats)",
    "calibration_error": "expected calibration error",
}
_OUT_OF_FOLD = {
    "combiner": "combiner",
    "accuracy": "accuracy",
    "accuracy_corrected_for_choosing": "accuracy, corrected for choosing",
    "best_member_accuracy": "accuracy of the best member",
    "gain_over_best_member": "gain in accuracy over the best member",
    "gain_low": "the gain's 95 % interval, from",
    "gain_high": "the gain's 95 % interval, to",
    "n_folds": "folds",
    "n_repeats": "repeats",
    "log_loss_before_scaling": "log loss (nats) before scaling by the temperature",
    "log_loss_after_scaling": "log loss (nats) after it",
    "calibration_error_before_scaling": "expected calibration error before scaling",
    "calibration_error_after_scaling": "expected calibration error after it",
}
"""The figures of an ensemble's file, in words; one that is not here has its own name."""


@dataclass(frozen=True)
class SplitFigures:
    """What was measured on one split."""

    split: str
    """`validation` or `test`."""
    scores: Scores
    intervals: Mapping[str, Interval]
    """By the name of the score."""
    note: str = ""
    """A sentence on how they came about, such as `out of fold`."""


def model_card(
    model: Model | Ensemble,
    path: Path,
    figures: Sequence[SplitFigures],
    openings: Sequence[Opening] = (),
) -> str:
    """Return the card of a model or an ensemble.

    Args:
        path: how the user calls it.
        figures: one for each split that it was measured on.
        openings: all entries of the ledger for this test set, the earliest first.
    """
    sections = [
        [f"# {_title(model)}"],
        ["## What it is", *(_network(model) if isinstance(model, Model) else _ensemble(model))],
        ["## Data", *_data(model)],
        ["## How it was trained", *_training(model)],
        *([f"## On {each.split} images", *_figures(each)] for each in figures),
        ["## Openings of the test set", *_openings(openings)],
        ["## Limits", *_limits(model)],
        ["## How to use it", *_use(path)],
    ]
    return "\n\n".join(block for section in sections for block in section) + "\n"


def _title(model: Model | Ensemble) -> str:
    kind = f"Ensemble of {len(model.members)} networks" if isinstance(model, Ensemble) else None
    return f"{kind or 'Convolutional network'} for {_text(model.data_name)}"


def _network(model: Model) -> Iterator[str]:
    n_weights = n_parameters(
        model.config.network,
        channels=model.channels,
        image_size=model.image_size,
        n_classes=len(model.classes),
    )
    what = in_words(model.config.network)
    how = "trained from scratch" if model.config.from_scratch else "with pretrained weights"
    yield f"{what[0].upper()}{what[1:]}; {n_weights:,} weights, {how}."
    yield f"Configuration {model.config.digest}, weights {model.weights_digest}."


def _ensemble(model: Ensemble) -> Iterator[str]:
    yield (
        f"Combination of the members' probabilities: {_text(model.combination.name)}; "
        f"temperature {model.temperature:.3g}; views of each image: {model.views}."
    )
    yield _table(
        ("member", "configuration", "weights", "seed", "epoch", "validation accuracy"),
        (_member_row(member) for member in model.networks),
    )
    if model.out_of_fold:
        yield "What combining brought, out of fold on validation images:"
        figures = model.out_of_fold.items()
        yield "\n".join(
            f"- {_text(_OUT_OF_FOLD.get(name, name))}: {_figure(v)}" for name, v in figures
        )


def _member_row(member: Member) -> tuple[str, ...]:
    model = member.model
    accuracy = None if model.saw_val else model.metrics.get("val_accuracy")
    return (
        _text(member.name),
        model.config.digest,
        model.weights_digest,
        str(model.config.seed),
        f"{model.metrics['best_epoch']:.0f}" if "best_epoch" in model.metrics else "",
        "" if accuracy is None else f"{accuracy:.1%}",
    )


def _data(model: Model | Ensemble) -> Iterator[str]:
    kind = "greyscale" if model.channels == 1 else "colour"
    yield (
        f"{_text(model.data_name)}, digest {model.data_digest}: {kind} images of "
        f"{model.image_size} x {model.image_size} pixels in {len(model.classes)} classes."
    )
    yield f"Classes: {', '.join(map(_text, model.classes))}."


def _training(model: Model | Ensemble) -> Iterator[str]:
    models = _models(model)
    for one in {each.config.digest: each for each in models}.values():
        training = one.config.training
        yield (
            f"Configuration {one.config.digest}: {training.optimizer.name} with learning rate "
            f"{training.optimizer.lr:.3g}, schedule {training.schedule.name}, batches of "
            f"{training.batch_size}, at most {training.epochs} epochs, seed {one.config.seed}, "
            f"on {'train and validation' if one.saw_val else 'train'} images."
        )
    told = {_text(line) for each in models for line in _environments(each)}
    yield f"Computed with {'; '.join(sorted(told)) or 'versions that were not recorded'}."


def _models(model: Model | Ensemble) -> list[Model]:
    return [model] if isinstance(model, Model) else [each.model for each in model.networks]


def _environments(model: Model) -> Iterator[str]:
    versions = model.training.get("environment")
    if isinstance(versions, dict):
        yield ", ".join(f"{name} {value}" for name, value in versions.items())


def _figures(figures: SplitFigures) -> Iterator[str]:
    if figures.note:
        yield figures.note
    rows = []
    for name, title in _ROWS.items():
        interval = figures.intervals.get(name)
        ends = f"{interval.low:.3f} to {interval.high:.3f}" if interval else ""
        rows.append((title, f"{getattr(figures.scores, name):.3f}", ends))
    yield _table((f"{figures.scores.n_images:,} images", "value", "95 % interval"), rows)


def _openings(openings: Sequence[Opening]) -> Iterator[str]:
    if not openings:
        yield "The ledger has none for this data."
        return
    times = "once" if len(openings) == 1 else f"{len(openings)} times"
    yield f"It has been opened {times}, by this model or another."
    yield "\n".join(f"- {_text(opening)}" for opening in openings)


def _limits(model: Model | Ensemble) -> Iterator[str]:
    limits = [
        f"- It knows {len(model.classes)} classes and no other: whatever an image shows, the "
        "probabilities of these sum to 1.",
        "- Images are resized to a square without keeping their proportions, as in training.",
        *_limits_of_validation(model),
        "- Intervals are about other images of the same collection, not about other collections.",
    ]
    yield "\n".join(limits)


def _limits_of_validation(model: Model | Ensemble) -> Iterator[str]:
    if any(each.saw_val for each in _models(model)):
        yield (
            "- Validation images were trained on in the end. What was measured on them before is "
            "of other weights, and of these weights only the test set can tell."
        )
    else:
        yield (
            "- The epoch that was kept was chosen by validation, which flatters validation "
            "figures; test figures are free of that as long as the test set has been opened once."
        )


def _use(path: Path) -> Iterator[str]:
    yield f"    python -m mame_cnn.predict {path} IMAGE... --out predictions.csv"
    yield f"    python -m mame_cnn.predict {path} --onnx model.onnx"


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else _text(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: object) -> str:
    """Return a name on one line, with nothing in it that Markdown would take for its own."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(str(value).split()))
