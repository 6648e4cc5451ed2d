"""The one exception that means: the caller gave something that cannot work."""


class AdaINError(ValueError):
    """A mistake in the input. Its message is one sentence for the user: what was expected, what was found."""


def check_batch(name: str, found: int, expected: int, like: str = "the content") -> None:
    """Raises AdaINError unless a batch is 1 (broadcast) or the expected size."""
    if found not in (1, expected):
        raise AdaINError(f"{name}: expected a batch of 1 or of {expected} like {like}, found {found}")


def check_known(name: str, found: str, known: tuple[str, ...]) -> None:
    """Raises AdaINError unless the name is among the known ones."""
    if found not in known:
        raise AdaINError(f"{name}: expected one of {', '.join(known)}, found {found!r}")
