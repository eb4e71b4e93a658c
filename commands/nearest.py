"""What somebody may have meant who named something that there is not."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], *, n_most: int = 1) -> str:
    """Return a question that ends a message, such as "; did you mean depth?"; "" without a guess.

    Args:
        known: the names that there are.
        n_most: how many are proposed; where it is several, more distant ones are among them.
    """
    nearest = difflib.get_close_matches(
        name, list(known), n=n_most, cutoff=0.6 if n_most == 1 else 0.5
    )
    return f"; did you mean {' or '.join(nearest)}?" if nearest else ""
