"""The errors a person is meant to read: one line that names the value and the way out."""


class KerasDLError(Exception):
    """A failure with a one-line reason; the command line prints it and exits with 1."""

    def _render_traceback_(self) -> list[str]:
        """Show the reason alone in a notebook: IPython asks an error for this. Scripts still get the traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(KerasDLError):
    """A wrong option, setting or name; the command line prints it and exits with 2."""


class BadInput(KerasDLError):  # noqa: N818 - reads as what it is: the input is bad
    """An example that cannot be used: an unreadable image, say. `str(error)` is the reason alone."""


class TooMuch(BadInput):
    """More than can be taken at once; the reason says what to do."""
