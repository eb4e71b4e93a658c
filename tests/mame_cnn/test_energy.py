import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from mame_cnn import energy
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.configuration.config_file import write_config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.energy import MOST_W, UNMETERED, Counter, Meter, meter_of
from mame_cnn.runs import final_training
from mame_cnn.train import main
from tests.mame_cnn.factory import make_config, make_data

CPU = torch.device("cpu")
CUDA = torch.device("cuda")
RANGE_UJ = 262_143_328_850


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for that of a machine with two packages."""
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:1": "package-1",
        "intel-rapl:2": "psys",
        "intel-rapl-mmio:0": "package-0",
    }
    (tmp_path / "intel-rapl").mkdir()
    for zone, name in zones.items():
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        counts(tmp_path, **{zone: 1_000_000})
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    return tmp_path


def counts(powercap: Path, **microjoules: int) -> None:
    for zone, count in microjoules.items():
        (powercap / zone / "energy_uj").write_text(f"{count}\n")


def test_the_packages_of_a_machine_are_added_up_and_nothing_twice(powercap: Path) -> None:
    meter = meter_of(CPU)
    before = meter.read()
    everything = ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl:2")
    counts(powercap, **dict.fromkeys(everything, 3_500_000), **{"intel-rapl-mmio:0": 9_000_000})
    assert meter.share_j(before, 1) == pytest.approx(5.0)


def test_a_counter_that_went_round_has_gone_on(powercap: Path) -> None:
    counts(powercap, **{"intel-rapl:0": RANGE_UJ - 1_000_000})
    meter = meter_of(CPU)
    before = meter.read()
    counts(powercap, **{"intel-rapl:0": 2_000_000})
    assert meter.share_j(before, 1) == pytest.approx(3.0)


def test_what_took_so_long_that_a_counter_may_have_gone_round_twice_is_not_known(
    powercap: Path,
) -> None:
    meter, once_s = meter_of(CPU), RANGE_UJ * 1e-6 / MOST_W
    before = meter.read()
    assert before is not None
    counts(powercap, **{"intel-rapl:0": 2_000_000})
    shorter = replace(before, at_s=before.at_s - 0.9 * once_s)
    longer = replace(before, at_s=before.at_s - 1.1 * once_s)
    assert meter.share_j(shorter, 1) == pytest.approx(1.0)
    assert meter.share_j(longer, 1) is None


@pytest.mark.parametrize("file", ["name", "max_energy_range_uj", "energy_uj"])
def test_where_a_package_cannot_be_read_nothing_is_known(powercap: Path, file: str) -> None:
    path = powercap / "intel-rapl:1" / file
    path.unlink()
    path.mkdir()  # not even root can read a folder as a file
    assert meter_of(CPU).read() is None


def test_a_counter_that_stops_telling_makes_the_epoch_unknown(powercap: Path) -> None:
    meter = meter_of(CPU)
    before = meter.read()
    (powercap / "intel-rapl:0" / "energy_uj").write_text("")
    assert before is not None
    assert meter.share_j(before, 1) is None


def test_a_machine_without_counters_knows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "missing")
    assert meter_of(CPU).read() is None
    assert UNMETERED.share_j(UNMETERED.read(), 1) is None


class FakeNvml(SimpleNamespace):
    """A driver that knows one GPU."""

    class NVMLError(Exception):
        pass

    millijoules: int | None = 5_000
    has_driver = True

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's name
        if not self.has_driver:
            raise self.NVMLError

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802 - NVML's name
        if uuid != "GPU-12-34":
            raise self.NVMLError
        return f"handle of {uuid}"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802 - NVML's name
        assert handle == "handle of GPU-12-34"
        if self.millijoules is None:
            raise self.NVMLError
        return self.millijoules


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    named(monkeypatch, "12-34")
    return fake


def named(monkeypatch: pytest.MonkeyPatch, uuid: str) -> None:
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=uuid)
    )


def test_a_gpu_tells_what_its_counter_rose_by(nvml: FakeNvml) -> None:
    meter = meter_of(CUDA)
    before = meter.read()
    nvml.millijoules = 7_500
    assert meter.share_j(before, 1) == pytest.approx(2.5)


def test_a_gpu_whose_driver_was_loaded_anew_is_not_known(nvml: FakeNvml) -> None:
    meter = meter_of(CUDA)
    before = meter.read()
    nvml.millijoules = 10
    assert meter.share_j(before, 1) is None


def test_a_gpu_without_driver_name_or_counter_is_not_known(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.millijoules = None
    assert meter_of(CUDA).read() is None
    nvml.millijoules = 1
    assert meter_of(CUDA).read() is not None
    nvml.has_driver = False
    assert meter_of(CUDA).read() is None
    nvml.has_driver = True
    named(monkeypatch, "part-of-a-gpu")
    assert meter_of(CUDA).read() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert meter_of(CUDA).read() is None


def rising(by: int) -> Counter:
    """Return a counter of joules that has risen each time it is read."""

    def counted() -> Iterator[int]:
        yield from range(0, 1_000_000, by)

    counting = counted()
    return Counter(lambda: next(counting), unit_j=1.0)


def test_members_of_a_cohort_and_processes_share_evenly() -> None:
    configs = [make_config(seed=seed) for seed in (1, 2, 3)]
    meter = Meter([rising(by=12), rising(by=24)], n_sharing=2)
    cohort = Cohort(configs, [0, 1, 2], make_data(), meter)
    assert [result.energy_j for result in cohort.train_epoch()] == [6.0] * 3
    cohort.drop([0])
    assert [result.metrics["energy_j"] for result in cohort.train_epoch()] == [9.0] * 2


def test_without_a_meter_the_metrics_have_no_energy_and_are_else_the_same() -> None:
    def trained(meter: Meter) -> EpochResult:
        return Cohort([make_config()], [0], make_data(), meter).train_epoch()[0]

    without, with_energy = trained(UNMETERED), trained(Meter([rising(by=1)]))
    assert {**without.metrics, "energy_j": 1.0} == with_energy.metrics
    assert "energy_j" not in without.metrics


def metrics_of(folder: Path, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Train to the end with a meter, and return what is kept of every epoch."""
    monkeypatch.setattr(final_training, "meter_of", lambda device: meter)
    config = config_from_params(
        {"depth": 2, "width": 4, "pool_size": 4, "dense_width": 8, "batch_size": 64},
        source="digits",
        image_size=32,
        epochs=3,
        seed=1,
        data_seed=0,
    )
    folder.mkdir()
    write_config(folder / "small.toml", config, {})
    options = ["--quiet", "--device", "cpu", "--out", str(folder / "run")]
    assert main([str(folder / "small.toml"), *options]) == 0
    return pd.read_csv(folder / "run" / "metrics.csv")


def test_a_final_training_has_a_column_of_energy_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([0, 2, None, 0, 3])  # the second epoch begins without a reading
    meter = Meter([Counter(lambda: next(told), unit_j=1.0)])
    metered = metrics_of(tmp_path / "metered", meter, monkeypatch)
    unmetered = metrics_of(tmp_path / "unmetered", UNMETERED, monkeypatch)
    assert metered["energy_j"].dropna().to_dict() == {0: 2.0, 2: 3.0}
    assert [*unmetered.columns, "energy_j"] == list(metered.columns)
