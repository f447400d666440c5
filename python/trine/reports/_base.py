"""What all reports share: how they are made of the compiled part's dicts, and how they print."""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import Any, Dict, Type, TypeVar, Union

Report = TypeVar("Report")

# Numbers per bound of a certificate, by name: "step", "norm", "probability", "block", "state".
PerBoundFloat = Dict[str, float]
PerBoundInt = Dict[str, int]


@functools.lru_cache(maxsize=None)
def _hints(kind: type) -> Dict[str, Any]:
    return typing.get_type_hints(kind)


def from_native(kind: Type[Report], value: Any) -> Report:
    """An object of `kind` from what the compiled part returns: dicts, lists, plain values."""
    return typing.cast(Report, _convert(kind, value))


def _convert(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Union:  # Optional[X]
        return _convert(arguments[0], value)
    if origin is list:
        return [_convert(arguments[0], entry) for entry in value]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _convert(hints[name], entry) for name, entry in value.items()})
    return value


class Shortened:
    """Prints how many there are of what would fill pages."""

    def __repr__(self) -> str:
        parts = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # of subclasses only
            value = getattr(self, field.name)
            if isinstance(value, list) and len(value) > 8:
                shown = f"[{len(value)} of {type(value[0]).__name__}]"
            elif isinstance(value, str) and len(value) > 200:
                shown = f"{value[:200]!r}… ({len(value)} characters)"
            else:
                shown = repr(value)
            parts.append(f"{field.name}={shown}")
        return f"{type(self).__name__}({', '.join(parts)})"
