"""What is observed of a study: the diagnosis, the ends of ranges, and the baselines."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from search.notebook.markdown import bullets, plain

if TYPE_CHECKING:  # a study begins without any, and would import it for half a second
    from search.comparing.evidence import Evidence

_N_INTERACTIONS = 3
"""The clearest; the report has all."""


def observations(evidence: "Evidence | None") -> Iterator[str]:
    """Return paragraphs of Markdown; none before the first trial."""
    if evidence is None:
        return
    best = evidence.standing.best
    if best is None or best.value is None:
        yield "No trial ran to its end, so nothing can be said of the space."
        return
    lines = [
        f"**{finding.severity}** {plain(_sentence(finding.message))} "
        f"Next: {plain(_sentence(finding.next_step))}"
        for finding in evidence.findings
    ]
    lines += [plain(_sentence(_capital(one.message))) for one in evidence.boundaries]
    lines += [
        plain(f"{' and '.join(one.names)} depend on one another: {_sentence(one.message)}")
        for one in evidence.interactions[:_N_INTERACTIONS]
    ]
    lines += map(plain, _baselines(evidence))
    yield bullets(lines or ["The rules of the diagnosis find nothing to remark."])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _baselines(evidence: "Evidence") -> Iterator[str]:
    best = evidence.standing.best
    if best is None or best.value is None:
        return
    for trial in evidence.trials:
        number = trial.user_attrs.get("baseline")
        if number and trial.value is not None and trial.number != best.number:
            yield (
                f"Baseline {number} (trial {trial.number}) reached {trial.value:.4f}; the best "
                f"{evidence.metric} is {best.value - trial.value:+.4f} from it."
            )
