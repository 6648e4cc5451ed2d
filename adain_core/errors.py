"""The one exception that means: the caller gave something that cannot work."""


class AdaINError(ValueError):
    """A mistake in the input. Its message is one sentence for the user: what was expected, what was found."""
