"""The diagnosis of a study: what many of its trials show, and which range is to blame.

A range is blamed where a rank test tells the trials that a rule found from the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.diagnosis.advice import AUGMENTATION, CAPACITY, REGULARISERS, among, plain
from search.diagnosis.blame import Blame, blamed
from search.diagnosis.finding import Finding, Severity, by_severity
from search.diagnosis.trial import diagnose
from search.files.history import History

HIGH_SHARE = 1 / 2
"""A rule that finds most trials says what the study is about: high."""
MEDIUM_SHARE = 1 / 4
"""From a quarter of the trials on it is more than an edge of the space."""
MIN_TRIALS = 3
"""Fewer trials than three are told one by one."""


@dataclass(frozen=True)
class _Kind:
    """How trials that a rule finds are counted and told."""

    told: str
    of: str
    """Which trials the rule could find: `complete`, those that `trained`, or `all`."""
    next_step: str


_KINDS: Mapping[str, _Kind] = {
    "still_improving": _Kind("were still improving at epoch {epochs}", "trained", ""),
    "diverged": _Kind("diverged", "all", "lower the upper end of lr"),
    "stuck_at_chance": _Kind("never left chance", "all", "narrow lr, weaken the penalties"),
    "lr_too_high": _Kind("had too high a learning rate", "all", "lower the upper end of lr"),
    "lr_too_low": _Kind(
        "learnt too slowly", "all", "raise the lower end of lr, or the epochs (--epochs)"
    ),
    "overfitting": _Kind("overfit", "complete", ""),
    "underfitting": _Kind("underfit", "complete", ""),
    "noisy": _Kind(
        "are noisier from epoch to epoch than validation explains",
        "complete",
        "lower the upper end of lr, add a schedule that decays or ema_decay",
    ),
    "sudden_drop": _Kind("dropped suddenly", "all", "lower the upper ends of l1 and lr"),
    "saturated": _Kind(
        "were level for at least half of their epochs", "complete", "spend fewer epochs a trial"
    ),
}


def diagnose_study(
    histories: Sequence[History],
    space_json: Mapping[str, Any],
    *,
    n_val: int,
    n_classes: int,
    epochs: int,
    chance: float | None = None,
) -> tuple[Finding, ...]:
    """Return what the trials show together, the gravest first.

    Args:
        space_json: the space as the study's pins keep it: `parameters` and `fixed`.
        n_val: validation images.
        epochs: the study's budget.
        chance: the share of the most frequent class; None: the classes are equally frequent.
    """
    found = {
        history.number: diagnose(
            history, n_val=n_val, n_classes=n_classes, epochs=epochs, chance=chance
        )
        for history in histories
    }
    findings = []
    for rule, kind in _KINDS.items():
        able = [history for history in histories if _is_able(history, kind.of, epochs)]
        hit = {
            history.number
            for history in able
            if any(
                one.rule == rule and (one.severity != "low" or rule == "saturated")
                for one in found[history.number]
            )
        }
        if len(hit) >= MIN_TRIALS:
            findings.append(_finding(rule, kind, able, hit, space_json, epochs))
    return by_severity(findings)


def _is_able(history: History, of: str, epochs: int) -> bool:
    if not history.epochs or history.state == "running":
        return False
    if of == "trained":
        return history.is_complete and history.epochs[-1] >= epochs
    return history.is_complete or of == "all"


def _finding(
    rule: str,
    kind: _Kind,
    able: Sequence[History],
    hit: set[int],
    space_json: Mapping[str, Any],
    epochs: int,
) -> Finding:
    """Say how many trials a rule found, which range sets them apart, and what to do."""
    share = len(hit) / len(able)
    severity: Severity = "low"
    if rule != "saturated" and share >= MEDIUM_SHARE:
        severity = "high" if share >= HIGH_SHARE else "medium"
    of = {"trained": "that trained to the end", "complete": "complete trials", "all": "trials"}
    message = f"{len(hit)} of {len(able)} {of[kind.of]} {kind.told.format(epochs=epochs)}"
    best = max(able, key=lambda history: (history.best, -history.number))
    if best.number in hit:
        message += f", the best (trial {best.number}, {best.best:.3f}) among them"
    blame = blamed([(history.params, history.number in hit) for history in able], space_json)
    if blame:
        message += f"; {blame.message}"
    return Finding(
        rule,
        severity,
        message,
        _next_step(rule, kind, blame, space_json, epochs),
        epochs=(epochs,) if rule == "still_improving" else (),
        values=(share,),
        trials=tuple(sorted(hit)),
    )


def _next_step(
    rule: str, kind: _Kind, blame: Blame | None, space_json: Mapping[str, Any], epochs: int
) -> str:
    if rule == "still_improving":
        return (
            f"raise the epochs before anything else: --epochs {2 * epochs} --study NAME (a study "
            "keeps its budget, as values of different budgets do not compare)"
        )
    names = [str(row["name"]) for row in space_json["parameters"]]
    if rule == "overfitting":
        return _against_overfitting(names, blame)
    if rule == "underfitting":
        grown = _listed(among(names, CAPACITY))
        step = f"let {grown} grow" if grown else "search depth and width"
        loosened = _listed(among(names, REGULARISERS))
        step += f"; lower the upper ends of {loosened}" if loosened else ""
        return f"{blame.next_step}; {step}" if blame else step
    return blame.next_step if blame else kind.next_step


def _against_overfitting(names: Sequence[str], blame: Blame | None) -> str:
    there = among(names, (*REGULARISERS, *AUGMENTATION))
    missing = [
        technique
        for technique, kinds in (
            ("dropout (dense_drop_rate)", ("dense_drop_rate", "drop_rate", "head_drop_rate")),
            ("L2 (l2)", ("l2", "weight_decay")),
            ("augmentation (flip_horizontal, zoom_fraction)", AUGMENTATION),
        )
        if not among(names, kinds)
    ]
    steps = [blame.next_step] if blame else []
    if missing:
        steps.append(f"add {', '.join(missing)}")
    elif there:
        steps.append(f"raise the lower ends of {_listed(there)}")
    return "; ".join(steps)


def _listed(names: Sequence[str]) -> str:
    """Write names without the numbers of blocks and layers, each once."""
    return ", ".join(dict.fromkeys(map(plain, names)))
