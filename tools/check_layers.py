#!/usr/bin/env python3
"""Holds the law of dependency: includes point down, never up or sideways.

A room is a folder of src/. A file includes its own room and rooms of a strictly lower level;
<trine/...> is open to everyone; doors see nothing else. The public headers depend on the
standard library alone, and a library with its own walls (CUDA, BLAS) stays behind them. python/
is a door outside of src/: its C++ sees <trine/...>, its own files and nothing else of ours.
"""

import re
from typing import Iterator

from source_tree import CPP_SUFFIXES, SourceTree, Violation, line_of, main, mask_cpp

# The building, from the ground up. A new room is one entry here.
LEVELS = {
    "base": 0,
    "core": 1, "input": 1,
    "kernels": 2, "models": 2,
    "checkpoint": 3, "packed": 3, "runtime": 3, "plan": 3,
    "calibrate": 4, "compress": 4, "eval": 4,
    "api": 5,
    "cli": 6, "server": 6,
}  # fmt: skip

# Doors compose nothing: what they cannot reach through <trine/...>, a user cannot reach either.
DOORS = {"cli", "server"}

# (name, pattern of the header, the only folder that may include it)
WALLED_LIBRARIES = [
    (
        "CUDA",
        re.compile(
            r"cuda|cublas|cufft|curand|cusparse|cusolver|nccl|nvml|nvrtc|cooperative_groups"
            r"|cub/|cute/|cutlass/|thrust/|nvtx3/|crt/|mma\.h|driver_types\.h|vector_types\.h"
        ),
        "src/kernels/cuda/",
    ),
    ("BLAS and LAPACK", re.compile(r"(.*/)?(cblas|lapack|openblas)"), "src/kernels/linalg/"),
]

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
_ROOM_CALL = re.compile(r"\btrine_room\s*\(([^)]*)\)")


def check(tree: SourceTree) -> Iterator[Violation]:
    included_by_room: dict[str, set[str]] = {}
    for path in tree.under(["src", "include", "python"], CPP_SUFFIXES):
        text = mask_cpp(tree.text(path), keep_literals=True)
        for match in _INCLUDE.finditer(text):
            bracket, header = match.groups()
            for sentence in judge_include(path, bracket, header):
                yield Violation(path, line_of(text, match.start()), sentence)
            top, room = path.split("/")[:2]
            if top == "src" and bracket == '"':
                included_by_room.setdefault(room, set()).add(header.split("/")[0])
    yield from check_folders(tree)
    for path in tree.files:
        if re.fullmatch(r"src/[^/]+/CMakeLists\.txt", path):
            room = path.split("/")[1]
            yield from check_room_call(path, tree.text(path), included_by_room.get(room, set()))


def judge_include(path: str, bracket: str, header: str) -> Iterator[str]:
    """Sentences about one include of one file; none if it is lawful."""
    is_ours = bracket == '"' and header.split("/")[0] in LEVELS
    for library, pattern, home in WALLED_LIBRARIES:
        if not is_ours and pattern.match(header) and not path.startswith(home):
            yield f"{library} header '{header}' belongs behind {home}"
    top = path.split("/")[0]
    if top == "include":
        yield from judge_public_header(bracket, header)
    elif bracket == "<":
        if header.split("/")[0] in LEVELS and "/" in header:
            yield f"'{header}' is a room of this project; include it with quotes"
    elif top == "python":
        if header.split("/")[0] in LEVELS or ".." in header.split("/"):
            yield f"python is a door: reach '{header}' through <trine/...>"
    else:
        yield from judge_quoted(path.split("/")[1], header)


def judge_public_header(bracket: str, header: str) -> Iterator[str]:
    is_standard = bracket == "<" and re.fullmatch(r"[a-z0-9_]+", header)
    is_ours = bracket == "<" and header.startswith("trine/")
    if not (is_standard or is_ours or (bracket == "<" and header == "tl/expected.hpp")):
        yield (
            f"a public header includes only the standard library, <trine/...> and "
            f"<tl/expected.hpp>, not '{header}'"
        )


def judge_quoted(room: str, header: str) -> Iterator[str]:
    """One `#include "target/..."` seen from `room`."""
    target = header.split("/")[0]
    if target not in LEVELS or "/" not in header:
        hint = "; write <trine/...>" if target == "trine" else ""
        yield f"'{header}' does not start with a room of src/{hint}"
    elif room not in LEVELS or target == room:
        return  # A folder without a level is reported once, by check_folders.
    elif room in DOORS:
        yield f"{room} is a door: reach '{header}' through <trine/...>"
    elif LEVELS[target] > LEVELS[room]:
        yield f"upward include: {describe(room)} may not include {describe(target)}"
    elif LEVELS[target] == LEVELS[room]:
        yield f"sideways include: {describe(room)} may not include {describe(target)}"


def check_folders(tree: SourceTree) -> Iterator[Violation]:
    reported = set()
    for path in tree.files:
        parts = path.split("/")
        if parts[0] != "src":
            continue
        if len(parts) == 2 and path.endswith(CPP_SUFFIXES):
            yield Violation(path, 1, "a source file lives in a room, not directly in src/")
        elif len(parts) > 2 and parts[1] not in LEVELS and parts[1] not in reported:
            reported.add(parts[1])
            yield Violation(path, 1, f"src/{parts[1]} is no room; give it a level or a home")


def check_room_call(path: str, text: str, included: set[str]) -> Iterator[Violation]:
    """`trine_room(X DEPENDS a b)`: only lower rooms, and every room that X really includes."""
    room = path.split("/")[1]
    text = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0]), text)
    match = _ROOM_CALL.search(text)
    if match is None or room not in LEVELS:
        return
    line = line_of(text, match.start())
    name, *words = match[1].split() or [""]
    if name != room:
        yield Violation(path, line, f"trine_room names '{name}' in the folder of '{room}'")
    listed = set()
    if "DEPENDS" in words:
        for word in words[words.index("DEPENDS") + 1 :]:
            if word.isupper():  # the next keyword ends the list
                break
            listed.add(word)
    for other in sorted(listed):
        if other not in LEVELS:
            yield Violation(path, line, f"trine_room lists '{other}', which is no room")
        elif LEVELS[other] >= LEVELS[room]:
            sentence = f"{describe(room)} may not depend on {describe(other)}"
            yield Violation(path, line, f"trine_room: {sentence}")
    for other in sorted((included & LEVELS.keys()) - listed - {room}):
        yield Violation(path, line, f"{room} includes {other}, which DEPENDS does not list")


def describe(room: str) -> str:
    return f"{room} (level {LEVELS[room]})"


if __name__ == "__main__":
    main(check, f"{len(LEVELS)} rooms, every include points down", __doc__)
