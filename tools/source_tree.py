"""What the five checks share: which files there are, C++ without its comments, and the report.

A check is a function from a SourceTree to violations; `main` turns it into a program with
`--root`, one line per violation and an exit code.
"""

import argparse
import os
import re
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Callable, Iterable, Iterator, NamedTuple

CPP_SUFFIXES = (".cpp", ".h", ".cu", ".cuh")

# Folders that are never source, used only where git cannot tell.
_NOT_SOURCE = {"build", "__pycache__"}

# Comments and literals of C++. The lookbehind keeps digit separators (1'000) out of the
# character literals.
_COMMENT_OR_LITERAL = re.compile(
    r"""
    (?P<comment> //(?:[^\n\\]|\\.)* | /\*.*?\*/ )
  | (?:u8|[uUL])?R"(?P<fence>[^\s()\\]{0,16})\(.*?\)(?P=fence)"
  | "(?:[^"\\\n]|\\.)*"
  | (?:\b(?:u8|[uUL])|(?<![0-9A-Za-z_]))'(?:[^'\\\n]|\\.)+'
    """,
    re.VERBOSE | re.DOTALL,
)


class Violation(NamedTuple):
    path: str  # relative to the root
    line: int  # 1-based
    sentence: str  # what is wrong and what to do instead


class SourceTree:
    """The files of one checkout, or of a plain folder."""

    def __init__(self, root: Path):
        self.root = root
        listed = self._from_git() if (root / ".git").exists() else self._from_folders()
        self.files = sorted(listed)  # relative paths with forward slashes

    @cached_property
    def folders(self) -> set[str]:
        """Every folder that holds a file, at any depth."""
        return {str(parent) for file in self.files for parent in Path(file).parents} - {"."}

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def under(self, folders: Iterable[str], suffixes: tuple[str, ...]) -> list[str]:
        """Files with one of `suffixes` below one of the top-level `folders`."""
        tops = set(folders)
        return [f for f in self.files if f.split("/", 1)[0] in tops and f.endswith(suffixes)]

    def _from_git(self) -> list[str]:
        command = ["git", "-C", str(self.root), "ls-files", "-z", "-co", "--exclude-standard"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # A tracked file may be deleted in the working tree.
        return [f for f in set(output.split("\0")) if f and (self.root / f).is_file()]

    def _from_folders(self) -> Iterator[str]:
        for folder, subfolders, names in os.walk(self.root):
            subfolders[:] = [s for s in subfolders if s not in _NOT_SOURCE and s[0] != "."]
            for name in names:
                yield (Path(folder) / name).relative_to(self.root).as_posix()


def mask_cpp(text: str, keep_literals: bool = False) -> str:
    """C++ with its comments (and literals) blanked; every line and column stays in place."""

    def blank(match: re.Match) -> str:
        if keep_literals and match["comment"] is None:
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])

    return _COMMENT_OR_LITERAL.sub(blank, text)


def line_of(text: str, offset: int) -> int:
    """The 1-based line of a character."""
    return text.count("\n", 0, offset) + 1


def main(check: Callable[[SourceTree], Iterable[Violation]], counted: str, doc: str) -> None:
    """Runs one check as a program: exit code 1 if it found anything.

    `counted` opens the line of success; the number of files in the tree closes it, so that a
    check that saw nothing shows.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    tree = SourceTree(parser.parse_args().root.resolve())
    violations = sorted(check(tree))
    for violation in violations:
        print(f"{violation.path}:{violation.line}: {violation.sentence}")
    if violations:
        sys.exit(1)
    print(f"ok: {counted}, {len(tree.files)} files")
