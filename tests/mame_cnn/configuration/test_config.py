import re
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import read_config, write_config
from mame_cnn.configuration.fusion import fusion_key
from tests.mame_cnn.factory import make_config


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    write_config(path, make_config(schedule="one_cycle"), {"study": "toy", "value": 0.5})
    return path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_file_reads_back_as_the_configuration_that_was_written(written: Path) -> None:
    config, provenance = read_config(written)
    assert config == make_config(schedule="one_cycle")
    assert config.digest == make_config(schedule="one_cycle").digest
    assert provenance == {"study": "toy", "value": 0.5}


def test_the_digest_ignores_where_images_lie_and_nothing_else() -> None:
    config = make_config()
    elsewhere = config.model_copy(
        update={"data": config.data.model_copy(update={"source": "/elsewhere"})}
    )
    assert elsewhere.digest == config.digest
    assert make_config(seed=2).digest != config.digest
    assert make_config(l1_2=1e-9).digest != config.digest


def test_the_digest_is_a_known_value() -> None:
    # Recorded once: a change means that every earlier export and checkpoint loses its name.
    assert len(make_config().digest) == 12
    assert make_config().digest == Config.model_validate(make_config().model_dump()).digest


def test_all_faults_of_a_file_are_reported_at_once(written: Path) -> None:
    replace(written, "label_smoothing = 0.0\n", "")
    replace(written, "lr = 0.001", 'lr = "fast"')
    replace(written, "batch_size", "batchsize")
    replace(written, "drop_rate = 0.0", "drop_rate = 1.5")
    with pytest.raises(UserError) as raised:
        read_config(written)
    message = str(raised.value)
    assert str(written) in message
    assert "training.label_smoothing: missing" in message
    assert "training.optimizer.lr: input should be a valid number, got 'fast'" in message
    assert "training.batchsize: no such field; did you mean batch_size?" in message
    assert "drop_rate: input should be less than 1, got 1.5" in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kernel_size = 3", "kernel_size = 4", "kernel_size: must be odd, got 4"),
        ("momentum = 0.0", "momentum = 0.9", "momentum belongs to sgd"),
        ('name = "one_cycle"', 'name = "two_cycle"', "two_cycle"),
        ("epochs = 3", "epochs = 3.5", "training.epochs"),
        ("epochs = 3", "epochs = true", "training.epochs"),
        ("lr = 0.001", "lr = nan", "training.optimizer.lr"),
    ],
)
def test_a_faulty_value_is_named(written: Path, old: str, new: str, expected: str) -> None:
    replace(written, old, new)
    with pytest.raises(UserError, match=expected):
        read_config(written)


@pytest.mark.parametrize("content", [b"seed = = 3", b"\xff\xfe\x00", b'provenance = "none"'])
def test_what_is_no_configuration_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.toml"):
        read_config(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(UserError, match="folder"):
        read_config(tmp_path)


def test_coefficients_do_not_change_the_fusion_key() -> None:
    key = fusion_key(make_config())
    for coefficient in (
        {"lr": 0.1},
        {"l2_1": 0.1},
        {"dense_l1": 0.1},
        {"drop_rate_2": 0.5},
        {"label_smoothing": 0.1},
        {"schedule": "cosine"},
        {"weight_decay": 0.1},
        {"patience_epochs": 3},
        {"rotation_degrees": 20.0},
        {"seed": 99},
    ):
        assert fusion_key(make_config(**coefficient)) == key


def test_shapes_batches_and_rules_change_the_fusion_key() -> None:
    key = fusion_key(make_config())
    for shape in (
        {"width": 5},
        {"depth": 1},
        {"batch_size": 16},
        {"optimizer": "sgd"},
        {"activation": "elu"},
        {"batch_norm": "none"},
        {"class_weights": "balanced"},
        {"epochs": 4},
    ):
        assert fusion_key(make_config(**shape)) != key


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('family = "plain"\n', "", "network.family: missing"),
        ('family = "plain"', 'family = "vggg"', "network.family: expected one of 'plain', 'vgg',"),
        ('name = "one_cycle"\n', "", "training.schedule.name: missing"),
        ("kernel_size", "kernel_syze", "network.blocks.0.kernel_syze: no such field; did you"),
        ("warmup_fraction = 0.3", "warmup_fraction = 3.0", "training.schedule.warmup_fraction: "),
        ("from_scratch = true\n", "", "from_scratch: missing"),
    ],
)
def test_faults_of_tables_of_several_kinds_are_told_by_their_path(
    written: Path, old: str, new: str, expected: str
) -> None:
    replace(written, old, new)
    with pytest.raises(UserError, match=f"\n  {re.escape(expected)}"):
        read_config(written)


def test_a_cut_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    write_config(path, make_config(family="densenet", depth=2), {})
    replace(path, "cut = 0", "cut = 2")
    with pytest.raises(UserError, match="cut: 2 of 2 blocks leaves nothing; expected at most 1"):
        read_config(path)
    with pytest.raises(UserError, match="cut: 3 of 2 blocks leaves nothing"):
        make_config(family="densenet", depth=2, cut=3)
