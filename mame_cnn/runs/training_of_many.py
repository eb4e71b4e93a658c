"""Training of several configurations to their end: who trains together, and in which order."""

from collections.abc import Callable, Iterator, Sequence

from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.fusion import fusion_key
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.memory.free_memory import give_back
from mame_cnn.memory.room import halved_until_it_fits
from mame_cnn.memory.step_memory import step_memory
from mame_cnn.runs.final_training import Ending, Failed, too_large, train_together
from mame_cnn.trials.cohort_size import MOST_MEMBERS, fastest_size

OnEpoch = Callable[[Sequence[int], Sequence[EpochResult]], None]
"""Told the places of those that began together, and what those that still train did."""


def train_all(
    configs: Sequence[Config],
    data: DeviceData,
    *,
    cohort: int | None,
    on_epoch: OnEpoch,
    kept_epochs: Sequence[int | None] | None = None,
) -> Iterator[tuple[int, Ending]]:
    """Train all; yield each one's place and what it left, as soon as it ended.

    Those that share a fusion key train as cohorts. One that fits into no memory fails alone. The
    first that Ctrl-C interrupted is the last that is trained.

    Args:
        cohort: how many train together at most, where they fit; None: as many as train fastest.
        kept_epochs: of each, the epoch that is its last and kept, where validation cannot choose;
            None: the best one is kept.
    """
    alike: dict[str, list[int]] = {}
    for place, config in enumerate(configs):
        alike.setdefault(fusion_key(config), []).append(place)
    for places in alike.values():
        size = _size(configs[places[0]], data, min(cohort or MOST_MEMBERS, len(places)), cohort)
        for start in range(0, len(places), size):
            is_interrupted = False
            for place, ending in _train(
                places[start : start + size], configs, data, on_epoch, kept_epochs
            ):
                is_interrupted |= ending.is_interrupted
                yield place, ending
            give_back(data.scale.device)
            if is_interrupted:
                return


def _size(config: Config, data: DeviceData, most: int, wanted: int | None) -> int:
    """Return how many networks like this one are to train together."""
    most = halved_until_it_fits(most, step_memory(config, data), data.scale.device)
    return most if wanted is not None or most == 1 else fastest_size(config, data, most=most)


def _train(
    places: Sequence[int],
    configs: Sequence[Config],
    data: DeviceData,
    on_epoch: OnEpoch,
    kept_epochs: Sequence[int | None] | None,
) -> Iterator[tuple[int, Ending]]:
    """Train one cohort; where memory ends in the middle of it, what is left in two halves."""
    left = list(places)
    try:
        for key, ending in train_together(
            [configs[place] for place in places],
            data,
            lambda results: on_epoch(places, results),
            kept_epochs=kept_epochs and [kept_epochs[place] for place in places],
        ):
            left.remove(places[key])
            yield places[key], ending
    except MemoryError as error:
        if len(places) == 1:
            yield places[0], Failed(too_large(error))
            return
    else:
        return
    half = (len(left) + 1) // 2
    for part in (left[:half], left[half:]):
        if part:
            yield from _train(part, configs, data, on_epoch, kept_epochs)
