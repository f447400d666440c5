"""What goes wrong in the world, as an exception."""


class Error(Exception):
    """A file, an input or an option is at fault; the sentence says which.

    Attributes:
        code: ``"invalid_argument"``, ``"not_found"``, ``"io"``, ``"malformed"``,
            ``"unsupported"`` or ``"checksum"``.
        message: one sentence that names the thing, what was found and what was expected.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
