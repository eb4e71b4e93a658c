"""Numbers of things, in words."""


def counted(n: int, one: str, many: str = "") -> str:
    """Return '1 image' or '2,000 images'; `many` where an s is not enough."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
