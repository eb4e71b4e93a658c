"""A place in a bucket of an S3-compatible store, in the manner of a path.

Objects are whole or not there: nothing is written aside. What goes wrong is an `OSError`.
"""

import errno
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import BinaryIO

from commands.errors import UserError
from search.files.bucket_connection import Connection, server_age_s

_AT_ONCE = 1000
"""The most that a store lists in one answer."""


@dataclass(frozen=True, order=True)
class BucketPath:
    """An object of a bucket, or a folder: all objects with the same beginning up to a `/`."""

    bucket: str
    key: str
    """Without `/` at its ends; empty for the whole bucket."""
    connection: Connection = field(compare=False, repr=False)
    _is_folder: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def at(cls, bucket: str, key: str = "") -> "BucketPath":
        """Return a place, with a way of its own to the bucket; nothing is asked of it yet."""
        return cls(bucket, key, Connection(bucket))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".removesuffix("/")

    def __truediv__(self, name: str) -> "BucketPath":
        key = f"{self.key}/{name}" if self.key else name
        return replace(self, key=key, _is_folder=False)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    def check(self) -> None:
        """Raise `UserError` where the bucket is not there, or not for us."""
        try:
            self._has_objects()
        except OSError as error:
            raise UserError(f"--artifacts {self}: {error.strerror}") from None

    def iterdir(self) -> Iterator["BucketPath"]:
        """Yield the objects and folders right below; nothing where there is no such folder."""
        before = self._before()
        with self.connection.asked(self) as store:
            pages = store.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket,
                Prefix=before,
                Delimiter="/",
                PaginationConfig={"PageSize": _AT_ONCE},
            )
            answers = list(pages)
        for answer in answers:
            for found in answer.get("CommonPrefixes", ()):
                name = found["Prefix"][len(before) :].rstrip("/")
                yield replace(self / name, _is_folder=True)
            for found in answer.get("Contents", ()):
                if name := found["Key"][len(before) :]:  # some stores list the folder itself
                    yield self / name

    def is_dir(self) -> bool:
        """Tell whether there are objects below."""
        return self._is_folder or self._has_objects()

    def is_symlink(self) -> bool:
        """Tell that this leads nowhere else."""
        return False

    def exists(self) -> bool:
        """Tell whether there is such an object."""
        try:
            self.age_s()
        except FileNotFoundError:
            return False
        return True

    is_file = exists

    def age_s(self) -> float:
        """Return when an object was written, in seconds before now by the store's clock."""
        with self.connection.asked(self) as store:
            answer = store.client.list_objects_v2(Bucket=self.bucket, Prefix=self.key, MaxKeys=1)
        for found in answer.get("Contents", ()):
            if found["Key"] == self.key:
                return server_age_s(answer, found)
        raise FileNotFoundError(errno.ENOENT, "no such object", str(self))

    def open(self, mode: str = "rb") -> BinaryIO:
        """Return an object's content as a file."""
        assert mode == "rb"
        return BytesIO(self.read_bytes())

    def read_bytes(self, at_most: int | None = None) -> bytes:
        """Return an object's content, or no more than its beginning."""
        with self.connection.asked(self) as store, closing(store.open_reader(self.key)) as body:
            return body.read() if at_most is None else body.read(at_most)

    def write_bytes(self, content: bytes) -> None:
        """Write an object, whole or not at all."""
        with self.connection.asked(self) as store:
            store.write(self.key, BytesIO(content))

    def unlink(self, missing_ok: bool = True) -> None:
        """Remove an object; a store does not tell whether it was there."""
        assert missing_ok
        with self.connection.asked(self) as store:
            store.remove(self.key)

    def remove(self) -> None:
        """Remove a folder with all that is below."""
        for path in self._walk():
            path.unlink()

    def move(self, target: "BucketPath") -> None:
        """Move a folder with all that is below, or else an object, within the bucket."""
        for path in list(self._walk()) or [self]:
            key = target.key + path.key[len(self.key) :]
            with self.connection.asked(path) as store:
                source = {"Bucket": self.bucket, "Key": path.key}
                store.client.copy(source, self.bucket, key)  # of more than 5 GiB in parts
            path.unlink()

    def _walk(self) -> Iterator["BucketPath"]:
        for path in self.iterdir():
            if path._is_folder:
                yield from path._walk()
            else:
                yield path

    def _before(self) -> str:
        return f"{self.key}/" if self.key else ""

    def _has_objects(self) -> bool:
        with self.connection.asked(self) as store:
            found = store.client.list_objects_v2(
                Bucket=self.bucket, Prefix=self._before(), MaxKeys=1
            )
        return bool(found.get("KeyCount", found.get("Contents")))
