"""Signatures as help() should print them: on lines that fit a page, names of types without quotes."""

from __future__ import annotations

import inspect
import types
from typing import Any, Callable, List, Union

_WIDTH = 88


class _Wrapped(inspect.Signature):
    def __str__(self) -> str:
        parts = []
        keyword_only = False
        for parameter in self.parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
                parts.append("*")
            keyword_only = parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
            parts.append(_unquoted(parameter))
        result = ""
        if self.return_annotation is not self.empty:
            result = f" -> {_type_name(self.return_annotation)}"
        line = f"({', '.join(parts)}){result}"
        if len(line) <= _WIDTH - 16:  # a name stands before it
            return line
        return "(\n    " + "\n    ".join(_filled(parts)) + f"\n){result}"

    def format(self, **_how: Any) -> str:
        """What help() calls from Python 3.13 on."""
        return str(self)


def _unquoted(parameter: inspect.Parameter) -> str:
    text: str = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        text = "*" + text
    if parameter.kind is parameter.VAR_KEYWORD:
        text = "**" + text
    if parameter.annotation is not parameter.empty:
        text += f": {_type_name(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {parameter.default!r}"
    return text


def _type_name(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _filled(parts: List[str]) -> List[str]:
    """Lines of as many parts as fit."""
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) + 6 > _WIDTH:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += part + ", "
    lines[-1] = lines[-1].rstrip(", ")
    return lines


def wrap_signature(thing: Union[type, Callable[..., Any]]) -> None:
    """What inspect.signature() says of a function, or of the functions of a class, is the same as
    before, and prints better."""
    if isinstance(thing, type):
        for member in vars(thing).values():
            function = getattr(member, "__func__", member)
            if isinstance(function, types.FunctionType):
                wrap_signature(function)
        return
    signature = inspect.signature(thing)
    wrapped = _Wrapped(
        list(signature.parameters.values()), return_annotation=signature.return_annotation
    )
    setattr(thing, "__signature__", wrapped)
