"""The way to one bucket: boto3's client, and what it raises told as an `OSError`, as of a disk.

boto3 finds credentials, region and endpoint by its own ways. None of them is ever told here, so
an error has words of our own: boto3's may name an endpoint with a password in it.
"""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from optuna.artifacts import Boto3ArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from commands.errors import UserError

INSTALL = "pip install 'mame-cnn-search[cluster]'"
_CONNECT_S, _READ_S, _N_ATTEMPTS = 5, 60, 3
_REST = 4
"""Times as long as it took to learn that a store is away, it is left alone: so a process loses at
most a fifth of its time to it."""
_REFUSED = {
    *("AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId"),
    *("InvalidToken", "SignatureDoesNotMatch", "403", "401"),
}
_NO_BUCKET = {"NoSuchBucket", "404"}
_CREDENTIALS = (
    "finds no credentials: boto3 reads $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY, "
    "$AWS_PROFILE and ~/.aws, or the machine's role"
)
_SETTINGS = "boto3 cannot read its settings, $AWS_ENDPOINT_URL and others"


@dataclass
class Connection:
    """A bucket's client, made once it is needed."""

    bucket: str
    clock: Callable[[], float] = time.monotonic
    _rests_until_s: float = 0.0
    _fault: str = field(default="", repr=False)

    @cached_property
    def store(self) -> Boto3ArtifactStore:
        """Return Optuna's store on the whole bucket, with a client that soon gives up."""
        import boto3
        from botocore.config import Config

        retries = {"mode": "standard", "total_max_attempts": _N_ATTEMPTS}
        config = Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries=retries)
        try:
            client = boto3.session.Session().client("s3", config=config)
        except ValueError:  # which would tell an endpoint that it cannot read
            raise OSError(errno.EINVAL, _SETTINGS, f"s3://{self.bucket}") from None
        return Boto3ArtifactStore(self.bucket, client, avoid_buf_copy=True)

    @contextmanager
    def asked(self, shown: object) -> Iterator[Boto3ArtifactStore]:
        """Give the store for a request; raise `OSError` for whatever goes wrong with it.

        One that was away a moment ago is not asked again: whoever trains does not wait for it.

        Args:
            shown: what the request is about, for the error.
        """
        try:
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise UserError(f"{shown}: needs boto3: {INSTALL}") from None
        began_s = self.clock()
        if began_s < self._rests_until_s:
            raise OSError(errno.EIO, self._fault, str(shown))
        try:
            yield self.store
        except ArtifactNotFound:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(shown)) from None
        except (Boto3Error, BotoCoreError, ClientError) as error:
            self._fault = _reason(error)
            if _is_away(error):
                now_s = self.clock()
                self._rests_until_s = now_s + _REST * (now_s - began_s)
            raise OSError(errno.EIO, self._fault, str(shown)) from None


def server_age_s(answer: Any, listed: Any) -> float:
    """Return how old an object is by the store's own clock, which may not be this machine's.

    Args:
        answer: to a request for a list of objects.
        listed: the object, as it is in the list.
    """
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    age: float = (now - listed["LastModified"]).total_seconds()
    return age


def _is_away(error: Exception) -> bool:
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500
    return isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError)


def _reason(error: Exception) -> str:
    """Return what is wrong, in words that hold no address and no credentials."""
    from botocore.exceptions import ClientError, NoCredentialsError

    kind = type(error).__name__
    if isinstance(error, ClientError):
        return _answer(str(error.response.get("Error", {}).get("Code")), error.operation_name)
    if _is_away(error):
        return f"the store cannot be reached ({kind}); $AWS_ENDPOINT_URL names it, if not Amazon"
    if isinstance(error, NoCredentialsError):
        return _CREDENTIALS
    return f"boto3 cannot do it with these settings ({kind})"


def _answer(code: str, operation: str) -> str:
    if code in _NO_BUCKET:
        return "no such bucket; make it first"
    if code in _REFUSED:
        return f"the store refuses the credentials ({code} for {operation})"
    if code == "RequestTimeTooSkewed":
        return "this machine's clock differs too much from the store's"
    return f"the store answers {code} to {operation}"
