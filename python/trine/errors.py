"""What goes wrong, as exceptions."""

from ._native import InvariantError as InvariantError


class Error(Exception):
    """A file, an input or an option is at fault; the sentence says which.

    Attributes:
        code: "invalid_argument", "not_found", "io", "malformed", "unsupported" or "checksum".
        message: one sentence that names the thing, what was found and what was expected.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


# As users write them, in help() and in tracebacks.
for _kind in (Error, InvariantError):
    _kind.__module__ = "trine"
