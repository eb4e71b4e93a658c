"""Any configuration comes back from its file; any other text is refused with one message."""

from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.errors import UserError
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import read_config, write_config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.vocabulary import Value

LEAVES = (
    st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.dates()
)
TABLES = st.dictionaries(
    st.text(max_size=6),
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)
PIECES = st.lists(
    st.sampled_from(
        [
            *("seed", "=", "[", "]", "{", "}", ".", '"', "'", "\n", "#", "1", "0x", "-", ","),
            *("a", "[[", "]]", '"""', "\\", "\\u", "é", "\x00", "1979-05-27", "T", "e9", "_"),
        ]
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toml") / "config.toml"


@st.composite
def configs(draw: st.DrawFn) -> Config:
    params: dict[str, Value] = {
        "depth": draw(st.integers(1, 3)),
        "width": draw(st.integers(1, 64)),
        "batch_size": draw(st.integers(1, 2**31 - 1)),
        "lr": draw(st.floats(1e-300, 1e300)),
        "l2_1": draw(st.floats(0, 1e300)),
        "label_smoothing": draw(st.floats(0, 1, exclude_max=True)),
        "schedule": draw(st.sampled_from(["constant", "cosine", "one_cycle"])),
    }
    # Control characters, which a folder's name may not have, are Cc; surrogates no UTF-8 has.
    names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
    return config_from_params(
        params,
        source=draw(names),
        image_size=draw(st.integers(8, 64)),
        epochs=draw(st.integers(1, 2**31 - 1)),
        seed=draw(st.integers(0, 2**63 - 1)),
        data_seed=0,
    )


@settings(deadline=None)  # the machine may be busy
@given(configs(), TABLES)
def test_any_configuration_comes_back_with_its_provenance(
    path: Path, config: Config, provenance: dict[str, object]
) -> None:
    write_config(path, config, provenance)
    found, about = read_config(path)
    assert (found, found.digest) == (config, config.digest)
    assert about == provenance


@settings(deadline=None)  # the machine may be busy
@given(TABLES)
def test_other_tables_are_refused_with_one_message(path: Path, table: dict[str, object]) -> None:
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.toml: "):
        read_config(path)


@settings(deadline=None)  # the machine may be busy
@given(PIECES.map("".join) | st.text(max_size=60))
def test_other_texts_are_refused_with_one_message(path: Path, text: str) -> None:
    path.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(UserError, match=r"config\.toml: ") as caught:
        read_config(path)
    assert len(str(caught.value)) < 5000


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=60))
def test_bytes_are_refused_with_one_message(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"config\.toml: "):
        read_config(path)
