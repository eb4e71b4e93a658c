import argparse
from pathlib import Path

import pytest

from search.files.artifact_place import artifact_place
from search.files.bucket import BucketPath
from search.options import make_parser


@pytest.mark.parametrize("given", ["studies/artifacts", ".", "/tmp/a b", "s3", "s3/a"])
def test_a_path_is_a_folder(given: str) -> None:
    assert artifact_place(given) == Path(given)


@pytest.mark.parametrize(
    ("given", "bucket", "prefix"),
    [
        ("s3://mame", "mame", ""),
        ("s3://mame/", "mame", ""),
        ("s3://mame/studies", "mame", "studies"),
        ("s3://my.own-bucket_1/studies of ours/2026/", "my.own-bucket_1", "studies of ours/2026"),
    ],
)
def test_an_address_is_a_bucket_and_what_its_keys_begin_with(
    given: str, bucket: str, prefix: str
) -> None:
    place = artifact_place(given)
    assert isinstance(place, BucketPath)
    assert (place.bucket, place.key) == (bucket, prefix)
    assert str(place) == given.rstrip("/")
    assert place == artifact_place(str(place))


@pytest.mark.parametrize(
    "given",
    [
        *("s3://", "s3:///a", "s3:mame/a", "s3:/mame/a", "s3://m", "s3://mame/../other"),
        *("s3://mame//a", "s3://mame/./a", "s3://mame/a\nb", "s3://mame/" + "a" * 501),
        *("gs://mame/a", "https://mame/a", "S3://mame/a", "s3://mame/a?region=b", "s3://mame/a#b"),
    ],
)
def test_other_addresses_are_refused(given: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a folder or s3://BUCKET"):
        artifact_place(given)


@pytest.mark.parametrize(
    "given", ["s3://key:secret@mame/a", "https://u:secret@host/mame", "s3:secret"]
)
def test_a_password_in_an_address_is_refused_and_not_repeated(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(["space.py", "--artifacts", given])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--artifacts: expected a folder" in said
    assert "secret" not in said
