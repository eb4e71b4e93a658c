"""What state is a training run in? Learning curves read by stated rules with stated numbers.

`ending`, `fit`, `learning` and `stability` are families of rules. `diagnose` reads one trial,
`diagnose_study` all of a study's.
"""

from search.diagnosis.finding import SEVERITIES, Finding, Severity
from search.diagnosis.study import diagnose_study
from search.diagnosis.trial import RULES, diagnose

__all__ = ["RULES", "SEVERITIES", "Finding", "Severity", "diagnose", "diagnose_study"]
