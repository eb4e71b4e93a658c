"""Two real processes that train together over gloo, started as torchrun starts them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from commands.errors import UserError
from mame_cnn.configuration.config_file import read_config
from mame_cnn.device import DeviceError, choose_device
from mame_cnn.distribution.cohort import SharedCohort
from mame_cnn.distribution.processes import ALONE, Ranks, joined, said_by_the_first
from mame_cnn.runs import final_training
from mame_cnn.runs.distributed_training import check_alike, check_shareable
from mame_cnn.train import main
from tests.mame_cnn.distribution.test_distributed_cohort import SHAPES, alone
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.test_train import write
from tests.mame_cnn.thread_ranks import in_ranks

LONGEST_S = 300
OF_TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}


@contextmanager
def two_processes(*arguments: str) -> Iterator[Sequence[subprocess.Popen[str]]]:
    """Start a module twice, as two processes of one training."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    processes = []
    for rank in range(2):
        environment = {
            **os.environ,
            **OF_TORCHRUN,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "OMP_NUM_THREADS": "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "GLOO_SOCKET_IFNAME": "lo",
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_two_processes_train_what_one_trains_in_float64(tmp_path: Path) -> None:
    with two_processes("tests.mame_cnn.gloo_rank", str(tmp_path)) as processes:
        for process in processes:
            _, errors = process.communicate(timeout=LONGEST_S)
            assert process.returncode == 0, errors
    for number, shape in enumerate(SHAPES):
        _, state, logits = alone(make_config(**{"lr": 1e-3, **shape}), make_data())
        for rank in range(2):
            got = load_file(tmp_path / f"{number}-{rank}.safetensors")
            torch.testing.assert_close(got, {**state, "logits": logits}, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_the_command_leaves_one_run_whatever_the_number_of_processes(tmp_path: Path) -> None:
    config = write(tmp_path / "best.toml", epochs=2, drop_rate=0.2, lr=1e-4)
    common = [str(config), "--device", "cpu", "--precision", "float32", "--out"]
    assert main([*common, str(tmp_path / "alone"), "--quiet"]) == 0
    with two_processes("mame_cnn.train", *common, str(tmp_path / "two")) as processes:
        told = [process.communicate(timeout=LONGEST_S) for process in processes]
        assert [process.returncode for process in processes] == [0, 0], told
    assert f"written to {tmp_path / 'two'}" in told[0][0]
    assert told[1][0] == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "best.toml", "two"]
    figures = ["lr", "train_loss", "val_loss"]
    one, two = (pd.read_csv(tmp_path / run / "metrics.csv")[figures] for run in ("alone", "two"))
    pd.testing.assert_frame_equal(two, one, rtol=1e-4)
    _, provenance = read_config(tmp_path / "two" / "config.toml")
    assert provenance["training"]["environment"]["processes"] == "2"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["Ctrl-C", "a process has died"])
def test_an_end_of_one_is_the_end_of_all_and_keeps_what_there_is(tmp_path: Path, how: str) -> None:
    config = write(tmp_path / "best.toml", epochs=100_000)
    out = tmp_path / "out"
    with two_processes(
        "mame_cnn.train", str(config), "--device", "cpu", "--out", str(out)
    ) as processes:
        first, second = processes
        assert first.stdout is not None
        next(line for line in first.stdout if line.startswith("epoch 2/"))
        if how == "Ctrl-C":
            for process in processes:
                process.send_signal(signal.SIGINT)
        else:
            second.kill()
        told, errors = first.communicate(timeout=LONGEST_S)
        second.wait(LONGEST_S)
    assert first.returncode == 130, errors
    reason = "Ctrl-C" if how == "Ctrl-C" else "another process of the training has ended"
    assert reason in told
    assert "Traceback" not in errors
    assert len(pd.read_csv(out / "metrics.csv")) >= 2
    assert second.returncode == (130 if how == "Ctrl-C" else -signal.SIGKILL)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_failed_gpu_ends_its_process_and_the_first_has_time_to_write(
    rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def fail(cohort: SharedCohort) -> None:
        raise DeviceError("cuda:1 has failed")

    monkeypatch.setattr(SharedCohort, "train_epoch", fail)
    monkeypatch.setattr(final_training, "begin_to_end", lambda: ended.append(rank))
    ranks = Ranks(rank=rank, n=2, local_rank=rank)
    expected = "^cuda:1 has failed$" if rank == 0 else "^process 1 of 2: cuda:1 has failed$"
    with pytest.raises(DeviceError, match=expected):
        list(final_training.train_together([make_config()], make_data(), print, ranks=ranks))
    assert ended == ([0] if rank == 0 else [])


def test_nccl_leaves_the_end_of_a_process_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its watchdog is told before the processes connect, unless somebody wants it otherwise.
    begun = []
    name = "TORCH_NCCL_ASYNC_ERROR_HANDLING"

    def connect(backend: str) -> None:
        begun.append((backend, os.environ[name]))

    monkeypatch.setattr(dist, "init_process_group", connect)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setenv(name, "")
    for chosen in (None, "1"):
        if chosen is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, chosen)
        with joined(Ranks(rank=0, n=2, local_rank=0), torch.device("cuda:0")):
            pass
    assert begun == [("nccl", "0"), ("nccl", "1")]


def test_torchrun_alone_makes_several_processes() -> None:
    assert Ranks.of(OF_TORCHRUN) == Ranks(rank=1, n=2, local_rank=1)
    assert Ranks.of({"RANK": "1", "WORLD_SIZE": "2"}) is ALONE


@pytest.mark.parametrize("wanted", ["cuda:1", "tpu"])
def test_a_device_of_ones_own_choice_is_a_mistake(wanted: str) -> None:
    with pytest.raises(UserError, match="a GPU of its own"):
        Ranks(1, 2, 1).device_name(wanted)


def test_each_process_has_the_gpu_of_its_number_on_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Ranks(5, 8, 1).device_name("auto") == "cuda:1"
    assert Ranks(5, 8, 1).device_name("cpu") == "cpu"


def test_what_several_processes_cannot_share_is_said_at_once() -> None:
    config, data = make_config(batch_size=2), make_data(n_val=2)
    with pytest.raises(UserError) as raised:
        check_shareable(config, data, Ranks(0, 3), cohort="auto")
    assert "a batch: 3 processes need an image each, got 2" in str(raised.value)
    assert "validation: 3 processes need an image each, got 2" in str(raised.value)
    assert "--cohort auto" in str(raised.value)
    check_shareable(config, data, ALONE, cohort="auto")


def test_images_that_differ_between_hosts_are_a_mistake() -> None:
    def check(ranks: Ranks) -> str:
        facts = {"the configuration": "ab", "the data": f"of host {ranks.rank}"}
        try:
            check_alike(ranks, facts, torch.device("cpu"))
        except UserError as error:
            return str(error)
        return ""

    assert in_ranks(2, check) == ["", "the data of host 1 is not that of the first process"]


def test_a_mistake_that_all_find_is_said_by_the_first_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mame_cnn.distribution.processes.HEAD_START_S", 0)
    with pytest.raises(UserError), said_by_the_first(Ranks(0, 2)):
        raise UserError("no such file")
    with pytest.raises(SystemExit) as exited, said_by_the_first(Ranks(1, 2)):
        choose_device("tpu")
    with pytest.raises(SystemExit), said_by_the_first(Ranks(1, 2)):
        main([])  # which prints how it is used
    assert exited.value.code == 2
    assert capsys.readouterr().err == ""
