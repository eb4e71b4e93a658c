import sys
from pathlib import Path

import pytest

from commands.errors import UserError
from search.space.file import load_space

HEAD = """\
from search.space import *
QUESTION = Question("a", "b", "c")
"""
SOUND = HEAD + 'SPACE = Space("Test", QUESTION, (Int("depth", 1, 2),))\n'


def write(folder: Path, text: str, name: str = "some_space.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_space_is_loaded_from_a_folder_that_python_does_not_know(tmp_path: Path) -> None:
    space = load_space(write(tmp_path, SOUND, "a name with spaces.py"))

    assert space.title == "Test"
    assert list(space.grid()) == [{"depth": 1}, {"depth": 2}]
    assert str(tmp_path) not in sys.path


def test_a_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    first = load_space(write(tmp_path, SOUND))
    second = load_space(write(tmp_path, SOUND.replace("1, 2", "1, 3")))

    assert first.n_grid_points() == 2
    assert second.n_grid_points() == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "SPACE = Space(\n", ":3: syntax error: '(' was never closed"),
        ("SPACE = \x00", "null bytes"),
        (HEAD + "x = {}\nx['missing']\n", ":4: raises KeyError: 'missing'"),
        ("SPACE = Space()\n", ":1: raises NameError: name 'Space' is not defined; add: from"),
        ("SPACE = Spaces()\n", ":1: raises NameError: name 'Spaces' is not defined"),
        ("import no_such_module\n", ":1: raises ModuleNotFoundError: No module named"),
        ("import sys\nsys.exit(3)\n", ":2: raises SystemExit: 3"),
        (HEAD, ": has no SPACE; it must say SPACE = Space(...)"),
        (HEAD + "SPACE = {'depth': 2}\n", ": SPACE must be a Space, got a dict"),
        (HEAD + 'SPACE = Space("Test", QUESTION, ())\n', "the space declares nothing to search"),
        (
            HEAD + 'ROWS = per_block(Choice("pool", ("max",)), up_to=2, grow=2)\n',
            ":3: pool: a choice has no range that could grow by 2",
        ),
    ],
    ids=[
        *("syntax", "null byte", "exception", "our name", "no name", "import", "exit"),
        *("no space", "wrong type", "nothing", "user error"),
    ],
)
def test_a_bad_file_gives_one_message_with_path_and_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path, text)
    modules = set(sys.modules)

    with pytest.raises(UserError) as caught:
        load_space(path)

    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert not {name for name in set(sys.modules) - modules if "some_space" in name}


def test_all_faults_of_a_space_are_listed_one_a_line(tmp_path: Path) -> None:
    rows = 'Int("depth", 3, 1), Float("lr", 0.0, 1.0, log=True), Choice("pool", ())'
    path = write(tmp_path, HEAD + f'SPACE = Space("", QUESTION, ({rows}))\n')

    with pytest.raises(UserError) as caught:
        load_space(path)

    heading, *faults = str(caught.value).splitlines()
    assert heading == f"{path}: the space has 4 faults"
    assert [fault.split(":")[0].strip() for fault in faults] == ["title", "depth", "lr", "pool"]


def test_a_file_that_is_not_utf8_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes("title = 'gravüre'\n".encode("latin-1"))

    with pytest.raises(UserError, match=r"latin\.py.*utf-8"):
        load_space(path)


def test_a_missing_file_is_named_with_the_nearest_that_exists(tmp_path: Path) -> None:
    write(tmp_path, SOUND, "regularization.py")

    with pytest.raises(UserError, match=r"did you mean .*/regularization\.py\?"):
        load_space(tmp_path / "regularisation.py")
    with pytest.raises(UserError, match=r"there is no folder .*/nowhere either"):
        load_space(tmp_path / "nowhere" / "regularization.py")


def test_a_shipped_space_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "capacity.py").touch()
    monkeypatch.chdir(tmp_path)
    for given in ("capacity", "capacity.py"):
        with pytest.raises(UserError, match=r"did you mean spaces/capacity\.py\?"):
            load_space(given)


def test_only_python_files_are_space_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a space file ends in \.py, this one in '\.txt'"):
        load_space(write(tmp_path, SOUND, "space.txt"))
    with pytest.raises(UserError, match="is a folder"):
        load_space(tmp_path)


def test_a_space_file_may_load_another_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    base = write(tmp_path / "base", SOUND)
    loading = (
        "from pathlib import Path\nfrom search.space.file import load_space\n"
        f"SPACE = load_space(Path({str(base)!r}))\n"
    )
    assert load_space(write(tmp_path, loading)) == load_space(base)
