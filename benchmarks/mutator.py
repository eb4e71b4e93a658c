"""Damaged copies of valid files: bytes flipped, cut, repeated, exchanged, and words that hurt.

All chance comes from one seeded generator, so that a run can be repeated to the byte.
"""

from collections.abc import Callable, Sequence
from random import Random

LARGEST = 150_000
"""Bytes of a copy: just enough for a field that is longer than Python's CSV reader takes."""
_MOST_CHANGES = 6
WORDS = (
    *(b"nan", b"-inf", b"1e999", b"-0.0", b"0x" + b"f" * 5000, b"9" * 5000, b"-1", b"2" * 19),
    *(b"true", b"null", b"''", b'""', b"{}", b"[]", b"[" * 1500, b'{"a":' * 1500, b"a." * 2000),
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\\u0000", b"\\ud800", b"\x1b[2J"),
    *(b"../../x", b"/etc/passwd", b"<script>", b"=1+1", b'"""', b"'''", b"1979-05-27", b"#"),
    *(b"1e-400", b"0.1e400", b"inf", b"\xe2\x80\xa8", b"\xc2\x85", b" " * 300, b"," * 3000),
    *(b"x" * 140_000, b"9223372036854775808", b"18446744073709551616", b"\x80\x04\x95"),
)
"""What readers have stumbled over, or could: numbers, depth, encodings, names, pickles."""


class Mutator:
    """Makes damaged copies of the files that it is given, and of those that it is told to keep."""

    def __init__(self, corpus: Sequence[bytes], random: Random, most_kept: int = 200) -> None:
        self._seeds = list(corpus)
        self._kept: list[bytes] = []
        self._most_kept = most_kept
        self._random = random

    def make(self) -> bytes:
        """Return another damaged copy."""
        content = self._any()
        # Mostly one or two: a copy that is damaged in many places is refused for the first.
        n_changes = 1 + int(self._random.expovariate(1.0))
        for _ in range(min(n_changes, _MOST_CHANGES)):
            content = self._random.choice(_CHANGES)(self, content)
        return content[:LARGEST]

    def keep(self, content: bytes) -> None:
        """Go on from a copy that was accepted; an earlier one makes room for it."""
        if len(self._kept) < self._most_kept:
            self._kept.append(content)
        else:
            self._kept[self._random.randrange(self._most_kept)] = content

    def _any(self) -> bytes:
        # Half of the copies are of whole files: of those kept, damage adds up.
        from_kept = self._kept and self._random.random() < 0.5
        return self._random.choice(self._kept if from_kept else self._seeds)

    def _span(self, content: bytes) -> tuple[int, int]:
        start = self._random.randint(0, len(content))
        length = min(int(self._random.expovariate(1 / 12)), len(content) - start)
        return start, start + length

    def _flip(self, content: bytes) -> bytes:
        if not content:
            return b"\x00"
        copy = bytearray(content)
        copy[self._random.randrange(len(copy))] ^= 1 << self._random.randrange(8)
        return bytes(copy)

    def _replace(self, content: bytes) -> bytes:
        start, end = self._span(content)
        return content[:start] + self._random.randbytes(end - start) + content[end:]

    def _delete(self, content: bytes) -> bytes:
        start, end = self._span(content)
        return content[:start] + content[end:]

    def _repeat(self, content: bytes) -> bytes:
        start, end = self._span(content)
        return content[:end] + content[start:end] * self._random.randint(1, 20) + content[end:]

    def _insert_word(self, content: bytes) -> bytes:
        start, end = self._span(content)
        end = self._random.choice((start, end))
        return content[:start] + self._random.choice(WORDS) + content[end:]

    def _exchange_value(self, content: bytes) -> bytes:
        """Put a word where a value stands: behind `=`, `:` or a comma, up to the next end."""
        starts = [place + 1 for place, byte in enumerate(content[:8192]) if byte in b"=:,"]
        if not starts:
            return content
        start = self._random.choice(starts)
        ends = [end for mark in b",\n}]" if (end := content.find(mark, start)) >= 0]
        return content[:start] + self._random.choice(WORDS) + content[min(ends, default=start) :]

    def _cut(self, content: bytes) -> bytes:
        return content[: self._random.randint(0, len(content))]

    def _move_line(self, content: bytes) -> bytes:
        lines = content.split(b"\n")
        line = lines.pop(self._random.randrange(len(lines)))
        lines.insert(self._random.randint(0, len(lines)), line)
        return b"\n".join(lines)

    def _double_line(self, content: bytes) -> bytes:
        lines = content.split(b"\n")
        lines.insert(self._random.randint(0, len(lines)), self._random.choice(lines))
        return b"\n".join(lines)

    def _join(self, content: bytes) -> bytes:
        other = self._any()
        start = self._random.randint(0, len(other))
        return content[: self._random.randint(0, len(content))] + other[start:]


_CHANGES: tuple[Callable[[Mutator, bytes], bytes], ...] = (
    Mutator._flip,
    Mutator._replace,
    Mutator._delete,
    Mutator._repeat,
    Mutator._insert_word,
    Mutator._exchange_value,
    Mutator._exchange_value,
    Mutator._cut,
    Mutator._move_line,
    Mutator._double_line,
    Mutator._join,
)
