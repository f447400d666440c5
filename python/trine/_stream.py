"""Text as an iterator, while a thread of its own writes it."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Callable, Optional, Union

from .reports import GenerateReport

# Writes a text, given who receives its pieces.
_Write = Callable[[Callable[[str], None]], GenerateReport]
# What the writing thread sends: pieces, then the report, or what went wrong.
_Written = Union[str, GenerateReport, BaseException]


class _Stopped(Exception):
    """Nobody wants the rest of the text."""


class TextStream:
    """Pieces of text as a model writes them, whole characters each; Model.stream() makes it.

    The text is written ahead, whether or not it is read. Leaving the stream (``close()``, the
    end of a ``with`` block, an interrupt while waiting, or dropping it) ends the writing at the
    next piece of text. After the last piece, `report` is the GenerateReport.
    """

    def __init__(self, write: _Write) -> None:
        """Starts the writing; Model.stream() calls this."""
        self.report: Optional[GenerateReport] = None
        self._pieces: SimpleQueue[_Written] = SimpleQueue()
        self._is_closed = threading.Event()
        # The thread must not hold the stream, or it could not be dropped.
        self._thread: Optional[threading.Thread] = threading.Thread(
            target=_write, args=(write, self._pieces, self._is_closed), name="trine-stream"
        )
        self._thread.start()

    def __iter__(self) -> TextStream:
        return self

    def __next__(self) -> str:
        if self._thread is None:
            raise StopIteration
        try:
            piece = self._pieces.get()
        except BaseException:  # KeyboardInterrupt
            self.close()
            raise
        if isinstance(piece, str):
            return piece
        self.close()
        if isinstance(piece, BaseException):
            raise piece
        self.report = piece
        raise StopIteration

    def close(self) -> None:
        """Ends the writing and waits until it has ended. The model is free afterwards."""
        self._is_closed.set()
        if self._thread is not None:
            thread, self._thread = self._thread, None
            thread.join()

    def __enter__(self) -> TextStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._is_closed.set()


def _write(write: _Write, pieces: SimpleQueue[_Written], is_closed: threading.Event) -> None:
    main_thread = threading.main_thread()

    def pass_on(piece: str) -> None:
        # Python waits for its threads when it exits; it should not wait for a long text.
        if is_closed.is_set() or not main_thread.is_alive():
            raise _Stopped
        pieces.put(piece)

    try:
        pieces.put(write(pass_on))
    except BaseException as error:  # raised where the stream is read
        pieces.put(error)
