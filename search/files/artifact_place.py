"""`--artifacts`: where files of studies are kept, a folder or a part of a bucket."""

import argparse
import re
from pathlib import Path

from search.files.bucket import BucketPath

ArtifactPlace = Path | BucketPath
METAVAR = "DIR|s3://BUCKET/PREFIX"
_SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_LONGEST = 500
"""Characters of a prefix: a key may have 1,024 bytes, and has names after it."""
_HOW = (
    "expected a folder or s3://BUCKET/PREFIX; credentials and $AWS_ENDPOINT_URL are for boto3 to "
    "find, and no part of the address"
)


def artifact_place(text: str) -> ArtifactPlace:
    """Read the option; what is refused is not repeated, as it may hold a password."""
    if not text.startswith("s3:") and "://" not in text:
        return Path(text)
    if not text.startswith(_SCHEME):
        raise argparse.ArgumentTypeError(_HOW)
    bucket, _, prefix = text.removeprefix(_SCHEME).partition("/")
    prefix = prefix.rstrip("/")
    parts = prefix.split("/") if prefix else []
    is_sound = prefix.isprintable() and not any(letter in prefix for letter in "\\?#@")
    if (
        not _BUCKET.fullmatch(bucket)
        or len(prefix) > _LONGEST
        or not is_sound
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise argparse.ArgumentTypeError(_HOW)
    return BucketPath.at(bucket, prefix)
