import sys
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from commands.errors import UserError
from search.files.artifact_place import artifact_place
from search.files.bucket import BucketPath
from search.files.bucket_connection import Connection
from tests.s3_server import SECRET, keys

pytest_plugins = ["tests.s3"]


def _elsewhere(address: str) -> BucketPath:
    place = artifact_place(address)
    assert isinstance(place, BucketPath)
    return place


def _names(folder: BucketPath) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_an_object_under_the_prefix_and_is_read_back(
    bucket: BucketPath,
) -> None:
    (bucket / "a" / "b").write_bytes(b"content")
    assert keys(bucket) == ["paintings/first/a/b"]
    path = _elsewhere(str(bucket)) / "a" / "b"
    assert path.read_bytes() == b"content"
    assert path.read_bytes(at_most=3) == b"con"
    assert path.exists()
    assert not path.is_dir()
    assert (bucket / "a").is_dir()
    assert not (bucket / "a").exists()


def test_a_folder_has_the_objects_and_folders_right_below(bucket: BucketPath) -> None:
    for name in ("a", "b/c", "b/d", "e/f/g"):
        (bucket / name).write_bytes(b"")
    _elsewhere(f"s3://{bucket.bucket}/paintings/first-and-more").__truediv__("h").write_bytes(b"")
    assert _names(bucket) == ["a", "b", "e"]
    assert {path.name: path.is_dir() for path in bucket.iterdir()} == {
        "a": False,
        "b": True,
        "e": True,
    }
    assert _names(bucket / "b") == ["c", "d"]
    assert _names(bucket / "none") == []


def test_more_objects_than_one_answer_holds_are_all_listed(
    bucket: BucketPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.files.bucket._AT_ONCE", 2)
    for name in ("a", "b/c", "d", "e/f", "g"):
        (bucket / name).write_bytes(b"")
    assert _names(bucket) == ["a", "b", "d", "e", "g"]


def test_a_folder_is_removed_or_moved_with_all_that_is_below_and_nothing_else(
    bucket: BucketPath,
) -> None:
    for name in ("1/a", "1/b/c", "12/a", "3"):
        (bucket / name).write_bytes(name.encode())
    (bucket / "1").move(bucket / "aside" / "1")
    (bucket / "3").move(bucket / "aside" / "3")
    (bucket / "12").remove()
    names = [key.removeprefix("paintings/first/") for key in keys(bucket)]
    assert names == ["aside/1/a", "aside/1/b/c", "aside/3"]
    assert (bucket / "aside" / "1" / "b" / "c").read_bytes() == b"1/b/c"


def test_an_object_that_is_not_there_is_a_file_that_is_not_found(bucket: BucketPath) -> None:
    with pytest.raises(FileNotFoundError, match="no such object"):
        (bucket / "none").read_bytes()
    (bucket / "none").unlink()
    assert not (bucket / "none").exists()


def test_the_age_is_by_the_stores_clock(bucket: BucketPath) -> None:
    (bucket / "a").write_bytes(b"")
    assert 0 <= (bucket / "a").age_s() < 60


def test_a_bucket_that_is_there_may_be_empty(bucket: BucketPath) -> None:
    bucket.check()


def test_a_bucket_that_is_not_there_is_a_mistake(bucket: BucketPath) -> None:
    with pytest.raises(UserError, match=r"--artifacts s3://not-there/a: no such bucket; make it"):
        _elsewhere("s3://not-there/a").check()


def test_without_credentials_it_is_said_where_they_are_looked_for(
    aws: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws.delenv(name)
    with pytest.raises(UserError, match=r"finds no credentials: boto3 reads \$AWS_ACCESS_KEY_ID"):
        _elsewhere("s3://mame").check()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_ENDPOINT_URL", f"http://user:{SECRET}@127.0.0.1:1", "cannot be reached"),
        ("AWS_ENDPOINT_URL", f"{SECRET} nonsense", "boto3 cannot read its settings"),
        ("AWS_PROFILE", SECRET, "with these settings (ProfileNotFound)"),
    ],
)
def test_what_boto3_cannot_use_is_said_without_what_it_is(
    name: str, value: str, said: str, aws: pytest.MonkeyPatch
) -> None:
    aws.setenv(name, value)
    with pytest.raises(UserError) as refused:
        _elsewhere("s3://mame").check()
    assert said in str(refused.value)
    seen: BaseException | None = refused.value
    while seen is not None:  # as a traceback would show it
        assert SECRET not in str(seen)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", r"refuses the credentials \(AccessDenied for PutObject\)"),
        ("ExpiredToken", r"refuses the credentials \(ExpiredToken for PutObject\)"),
        ("RequestTimeTooSkewed", "clock differs too much"),
        ("QuotaExceeded", "the store answers QuotaExceeded to PutObject"),
    ],
)
@pytest.mark.usefixtures("aws")
def test_an_answer_of_the_store_is_told_as_an_error_of_the_system(code: str, said: str) -> None:
    answer = ClientError({"Error": {"Code": code, "Message": SECRET}}, "PutObject")
    with pytest.raises(OSError, match=said) as failed, Connection("mame").asked("s3://mame/a"):
        raise answer
    assert failed.value.filename == "s3://mame/a"
    assert SECRET not in str(failed.value)


@pytest.mark.usefixtures("aws")
def test_a_store_that_is_away_is_left_alone_for_four_times_as_long_as_it_took() -> None:
    now_s, n_asked = 100.0, 0
    connection = Connection("mame", clock=lambda: now_s)

    def ask() -> None:
        nonlocal now_s, n_asked
        with connection.asked("s3://mame/a"):
            n_asked += 1
            now_s += 10
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    for at_s, n_then in ((100.0, 1), (149.0, 1), (150.0, 2)):
        now_s = at_s
        with pytest.raises(OSError, match="cannot be reached"):
            ask()
        assert n_asked == n_then


@pytest.mark.usefixtures("aws")
def test_a_refusal_is_an_answer_so_the_next_request_is_made() -> None:
    connection = Connection("mame")
    for _ in range(2):
        asked = False
        with suppress(OSError), connection.asked("s3://mame/a"):
            asked = True
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")
        assert asked


def test_without_boto3_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("boto3", "boto3.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r"pip install 'mame-cnn-search\[cluster\]'"):
        _elsewhere("s3://mame/a").check()
