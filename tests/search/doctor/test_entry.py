import json
from pathlib import Path

import pytest

from search.doctor.entry import pieces, read_lines

FIRST = b'{"op_code":1,"worker_id":"a","study_id":0}'
SECOND = b'{"op_code":1,"worker_id":"b","study_id":1}'


@pytest.mark.parametrize("n_bytes", [1, 12, len(FIRST) - 1])
def test_a_record_glued_to_half_a_line_is_whole(n_bytes: int) -> None:
    half = FIRST[:n_bytes]
    assert list(pieces(half + SECOND)) == [(half, None), (SECOND, json.loads(SECOND))]


def test_records_without_a_newline_between_them_are_two() -> None:
    assert [content for content, record in pieces(FIRST + SECOND) if record] == [FIRST, SECOND]


def test_garbage_between_records_is_told_from_them() -> None:
    glued = b"\0\0" + FIRST + b"\xff{" + SECOND + b"###"
    assert [content for content, _ in pieces(glued)] == [b"\0\0", FIRST, b"\xff{", SECOND, b"###"]


def test_a_record_inside_a_text_of_another_is_not_taken_out_of_it() -> None:
    note = json.dumps(
        {"op_code": 2, "worker_id": "a", "study_id": 0, "user_attr": {"note": SECOND.decode()}},
        separators=(",", ":"),
    ).encode()
    assert [content for content, record in pieces(b"#" + note) if record] == [note]
    assert [record for _, record in pieces(note[:-1])] == [None]


def test_the_last_line_may_have_no_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(FIRST + b"\n\n" + SECOND)
    first, empty, last = read_lines(path)
    assert (first.fault, empty.fault) == (None, "is empty")
    assert last.is_unfinished
    assert [entry.content for entry in last.entries] == [SECOND]
