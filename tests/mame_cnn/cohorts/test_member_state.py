"""What becomes of a member that is saved and goes on elsewhere, against one without a break."""

import math
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from mame_cnn.cohorts import member_state
from mame_cnn.cohorts.member_state import MemberState, from_bytes, to_bytes
from mame_cnn.cohorts.optimizers import RULES
from mame_cnn.cohorts.progress import Counts, EpochResult
from mame_cnn.cohorts.rows import Snapshot
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit
from mame_cnn.trials.trial_cohort import Member, TrialCohort
from tests.mame_cnn.factory import make_config, make_data

EPOCHS = 5
TOLERANCE = 1e-9
CLASSES = ("bronze", "clay", "oil")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FLOAT64 = make_data(n_train=26, n_val=12)


@dataclass(frozen=True)
class Trial:
    key: int = 0
    params: dict[str, Value] = field(default_factory=dict)
    seed: int = 3
    state: bytes | None = None


def config_of(trial: Member) -> Config:
    params: dict[str, Any] = dict(trial.params)
    return make_config(seed=trial.seed, epochs=EPOCHS, **params)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def untimed(results: list[EpochResult]) -> list[EpochResult]:
    return [replace(result, key=0, images_per_s=0.0) for result in results]


def trained(cohort: TrialCohort, n_epochs: int) -> list[EpochResult]:
    return [result for _ in range(n_epochs) for result in cohort.train_epoch()]


ALL: dict[str, Value] = {
    "drop_rate": 0.2,
    "head_drop_rate": 0.1,
    "dense_drop_rate": 0.3,
    "l1": 1e-4,
    "label_smoothing": 0.1,
    "rotation_degrees": 20.0,
    "crop_pad_px": 1,
    "class_weights": "balanced",
}
SCHEDULES: dict[str, dict[str, Value]] = {
    "plateau": {"schedule": "plateau", "plateau_patience_epochs": 0, "lr": 0.3},
    "exponential": {"schedule": "exponential", "decay_after_epochs": 1},
    "cosine": {"schedule": "cosine", "batch_norm": "before", "activation": "prelu"},
    "one_cycle": {"schedule": "one_cycle", "batch_norm": "none", "ema_decay": 0.7},
    "early_stopping": {"patience_epochs": 1, "lr": 0.3, "batch_norm": "after"},
}
COURSES: dict[str, dict[str, Value]] = {
    **{name: {"optimizer": name, "ema_decay": 0.9, "weight_decay": 0.01} for name in RULES},
    **SCHEDULES,
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("course", COURSES)
def test_a_member_that_goes_on_ends_bit_for_bit_as_without_a_break(
    course: str, precision: str
) -> None:
    data = make_data(n_train=40, n_val=20, dtype=torch.float32, precision=PRECISIONS[precision])
    params = {**ALL, **COURSES[course]}
    torch.manual_seed(1)
    unbroken = TrialCohort([Trial(0, params)], config_of, data, CLASSES)
    expected = trained(unbroken, EPOCHS)
    wanted = unbroken.cohort.snapshot(0)
    for n_before in (1, 3):
        torch.manual_seed(n_before + 1)  # it is drawn from by nobody
        first = TrialCohort([Trial(0, params)], config_of, data, CLASSES)
        results = trained(first, n_before)
        second = TrialCohort([Trial(7, params, state=first.save(0))], config_of, data, CLASSES)
        results += trained(second, EPOCHS - n_before)
        assert untimed(results) == untimed(expected)
        got = second.cohort.snapshot(7)
        assert got.counts == wanted.counts
        for group in ("weights", "optimizer", "average"):
            rows, wanted_rows = getattr(got, group), getattr(wanted, group)
            assert rows.keys() == wanted_rows.keys()
            assert all(torch.equal(rows[name], wanted_rows[name]) for name in rows)
        assert second.files(7) == unbroken.files(0)


def test_these_courses_slow_down_stop_early_and_average() -> None:
    data = make_data(n_train=40, n_val=20, dtype=torch.float32)
    courses = {}
    for name in ("plateau", "early_stopping"):
        cohort = TrialCohort([Trial(0, {**ALL, **SCHEDULES[name]})], config_of, data)
        courses[name] = trained(cohort, EPOCHS)
    assert courses["plateau"][-1].lr < courses["plateau"][0].lr
    assert any(result.is_finished for result in courses["early_stopping"][:-1])


OWN: list[dict[str, Value]] = [
    {"lr": 3e-4, "schedule": "plateau", "plateau_patience_epochs": 0, "drop_rate": 0.2},
    {"lr": 1e-3, "ema_decay": 0.9, "rotation_degrees": 30.0, "dense_drop_rate": 0.1},
    {"lr": 6e-4, "ema_decay": 0.5, "schedule": "one_cycle", "l1": 1e-4, "label_smoothing": 0.1},
]


def trial(number: int, state: bytes | None = None) -> Trial:
    return Trial(10 + number, OWN[number], number, state)


def course(number: int) -> list[EpochResult]:
    return trained(TrialCohort([trial(number)], config_of, FLOAT64), EPOCHS)


def saved(number: int, n_epochs: int) -> bytes:
    """Return the state of a member that had company."""
    other = (number + 1) % len(OWN)
    cohort = TrialCohort([trial(other), trial(number)], config_of, FLOAT64)
    trained(cohort, n_epochs)
    cohort.drop([10 + other])
    return cohort.save(10 + number)


@pytest.mark.parametrize("opened", [[0], [1], [2, 0], [0, 1, 2]])
@pytest.mark.parametrize("admitted", [[], [0], [1], [2, 1]])
def test_a_member_goes_on_in_any_slot_of_any_cohort(
    opened: list[int], admitted: list[int]
) -> None:
    admitted = [number for number in admitted if number not in opened]
    cohort = TrialCohort([trial(n, saved(n, n + 1)) for n in opened], config_of, FLOAT64)
    results = trained(cohort, 1)
    if admitted:
        cohort.admit([trial(n, saved(n, n + 1)) for n in admitted])
    results += trained(cohort, 1)
    for number in (*opened, *admitted):
        expected = course(number)
        own = [result for result in results if result.key == 10 + number]
        assert [result.epoch for result in own] == list(range(number + 2, number + 2 + len(own)))
        for result in own:
            same = expected[result.epoch - 1]
            assert result.metrics == pytest.approx(same.metrics, abs=TOLERANCE)
            assert (result.value, result.is_best) == (same.value, same.is_best)


def test_a_beginner_joins_one_that_goes_on() -> None:
    cohort = TrialCohort([trial(0), trial(1, saved(1, 2))], config_of, FLOAT64)
    first, second = cohort.train_epoch()
    assert (first.epoch, second.epoch) == (1, 3)
    assert first.train_loss == pytest.approx(course(0)[0].train_loss, abs=TOLERANCE)


def test_a_member_can_be_saved_before_its_first_epoch() -> None:
    state = TrialCohort([trial(0)], config_of, FLOAT64).save(10)
    [result] = TrialCohort([trial(0, state)], config_of, FLOAT64).train_epoch()
    assert untimed([result]) == untimed(course(0)[:1])


def test_numbers_are_read_exactly_as_they_were() -> None:
    bits = random.Random(0)
    numbers = [struct.unpack("d", bits.randbytes(8))[0] for _ in range(300)]
    numbers = [number for number in numbers if not math.isnan(number)] + [math.inf, -math.inf]
    for number in numbers:
        counts = Counts(best_loss=number, best_accuracy=-number, epoch=2)
        snapshot = Snapshot(counts, {"w": torch.tensor([number])}, {}, {})
        content = to_bytes(MemberState(make_config(), snapshot, None, ()))
        assert from_bytes(content, make_config()).snapshot.counts == counts


def damaged() -> dict[str, bytes]:
    whole = saved(1, 2)
    flipped = bytearray(whole)
    flipped[-1000] ^= 4
    in_header = whole.replace(b"best_loss", b"best_lose")
    return {
        "empty": b"",
        "garbage": bytes(range(256)) * 20,
        "cut": whole[: len(whole) // 2],
        "one byte short": whole[:-1],
        "one bit flipped": bytes(flipped),
        "a name changed": in_header,
        "without a header": save(load(whole)),
    }


def test_a_damaged_state_is_refused_with_the_trial_it_belongs_to() -> None:
    for content in damaged().values():
        with pytest.raises(ValueError, match=r"^state of trial 11: damaged"):
            TrialCohort([trial(0), trial(1, content)], config_of, FLOAT64)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lr": 0.5}, r"config.training.optimizer.lr: expected 0.5, got 0.001"),
        ({"width": 8}, r"config.network.blocks.0.width: expected 8, got 4"),
        ({"optimizer": "sgd"}, r"config.training.optimizer.name: expected 'sgd', got 'adam'"),
        ({"depth": 1}, r"config.network.blocks: expected"),
    ],
)
def test_a_state_of_another_configuration_is_refused_with_what_differs(
    params: dict[str, Value], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TrialCohort([Trial(0, {**OWN[1], **params}, 1, saved(1, 1))], config_of, FLOAT64)


def with_val(data: DeviceData, n: int) -> DeviceData:
    return replace(data, val=DeviceSplit(data.val.images[:n], data.val.labels[:n]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (with_val(FLOAT64, 5), "of other data: probabilities of shape"),
        (
            make_data(n_val=12, channels=1),
            r"member 11: weights blocks.0.conv1.weight: expected float64 \[4, 1, 3, 3\], got",
        ),
        (
            make_data(n_val=12, dtype=torch.float32),
            "member 11: weights blocks.0.conv1.weight: expected float32",
        ),
    ],
    ids=["images", "channels", "type"],
)
def test_a_state_of_other_data_or_another_type_is_refused(data: DeviceData, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrialCohort([trial(1, saved(1, 1))], config_of, data)


def test_a_state_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, texts = member_state._read(saved(1, 1))
    header = texts["header"].replace('"format_version":1', '"format_version":2')
    content = save(tensors, {"header": header, "digest": member_state._digest(header, tensors)})
    with pytest.raises(ValueError, match="another version of this program:\nformat_version"):
        from_bytes(content, config_of(trial(1)))


def test_a_refused_state_changes_nothing() -> None:
    unfit = {"damaged": b"", "of another network": saved(2, 1)}
    cohort = TrialCohort([trial(0)], config_of, FLOAT64)
    results = trained(cohort, 2)
    for content in unfit.values():
        with pytest.raises(ValueError, match="state of trial 11"):
            cohort.admit([trial(2), trial(1, content)])
    results += trained(cohort, EPOCHS - 2)
    assert untimed(results) == untimed(course(0))


@pytest.mark.gpu
@pytest.mark.parametrize("places", [("cpu", "cuda"), ("cuda", "cpu"), ("cuda", "cuda")])
def test_a_member_goes_on_on_another_device(places: tuple[str, str]) -> None:
    # Without dropout, of which devices draw differently.
    params: dict[str, Value] = {"lr": 1e-3, "ema_decay": 0.9, "rotation_degrees": 30.0}
    cohorts = []
    state = None
    for place in places:
        data = on(FLOAT64, torch.device(place))
        cohort = TrialCohort([Trial(0, params, state=state)], config_of, data)
        results = trained(cohort, 2)
        state = cohort.save(0)
        cohorts.append(results)
    expected = trained(TrialCohort([Trial(0, params)], config_of, FLOAT64), 4)
    for result, same in zip(cohorts[1], expected[2:], strict=True):
        assert result.metrics == pytest.approx(same.metrics, abs=1e-6)


def on(data: DeviceData, device: torch.device) -> DeviceData:
    moved: dict[str, Any] = {
        name: getattr(data, name).to(device) for name in ("scale", "offset", "class_weights")
    }
    for name, part in (("train", data.train), ("val", data.val)):
        moved[name] = DeviceSplit(part.images.to(device), part.labels.to(device))
    return replace(data, **moved)
