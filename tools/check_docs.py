#!/usr/bin/env python3
"""Holds the documents to the truth: every path, `./dev` command and `trine` command exists.

Paths are looked for in code spans and link targets, commands also in code blocks. Something in
angle brackets, braces or dots (`src/<room>/x.h`) is a placeholder and left alone; a glob must
match a file.
"""

import fnmatch
import posixpath
import re
from typing import Iterator, NamedTuple

from source_tree import SourceTree, Violation, main, mask_cpp

DOCUMENTS = re.compile(
    r"(README|ARCHITECTURE|DEVELOPERS|CONTRIBUTING|SECURITY|CHANGELOG)\.md|docs/.+\.md"
)

# A path below one of these is looked up even before the folder exists.
TOP_FOLDERS = {
    "src", "include", "tests", "tools", "docs", "models", "cmake", "examples", "fuzz",
    "benchmarks", "python",
}  # fmt: skip

COMMAND_TABLE = "src/cli/commands.cpp"

_SPAN = re.compile(r"(`+)(.+?)\1")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
_FENCE = re.compile(r"^\s*(```+|~~~+)")
_PLACEHOLDER = re.compile(r"[<>{}$…]|\.\.\.")
_DEV_COMMAND = re.compile(r"(?<![\w/])\./dev[ \t]+([a-z][\w-]*(?:\|[a-z][\w-]*)*)")
_TRINE_COMMAND = re.compile(
    r"^\s*(?:\$\s+)?(?:[\w./-]*/)?trine[ \t]+([a-z][\w-]*(?:\|[a-z][\w-]*)*)"
)


class Line(NamedTuple):
    number: int
    text: str
    is_code: bool  # inside a fenced block


class Repository(NamedTuple):
    """What the documents may speak of."""

    files: set[str]
    folders: set[str]
    dev_commands: set[str]
    trine_commands: set[str]

    def has(self, path: str) -> bool:
        path = path.rstrip("/")
        if re.search(r"[*?\[]", path):
            return any(fnmatch.fnmatchcase(file, path) for file in self.files | self.folders)
        return path in self.files or path in self.folders


def check(tree: SourceTree) -> Iterator[Violation]:
    repository = Repository(
        set(tree.files), tree.folders, dev_commands(tree), trine_commands(tree)
    )
    for path in filter(DOCUMENTS.fullmatch, tree.files):
        for line in lines_of(tree.text(path)):
            for sentence in judge_line(repository, path, line):
                yield Violation(path, line.number, sentence)


def dev_commands(tree: SourceTree) -> set[str]:
    """Labels of the case statement of the `dev` script: `  demo)` or `  build | b)`."""
    text = tree.text("dev") if "dev" in tree.files else ""
    labels = re.findall(r"^\s+\(?([a-z][\w-]*(?:\s*\|\s*[\w-]+)*)\)", text, re.MULTILINE)
    return {word.strip() for label in labels for word in label.split("|")}


def trine_commands(tree: SourceTree) -> set[str]:
    """First fields of the rows of the command table: `{"inspect", ...}`."""
    if COMMAND_TABLE not in tree.files:
        return set()
    return set(re.findall(r'\{\s*"([a-z][\w-]*)"', mask_cpp(tree.text(COMMAND_TABLE), True)))


def lines_of(text: str) -> Iterator[Line]:
    fence = None
    for number, line in enumerate(text.splitlines(), start=1):
        match = _FENCE.match(line)
        if match is None:
            yield Line(number, line, fence is not None)
        elif fence is None:
            fence = match[1]
        elif match[1].startswith(fence):
            fence = None


def judge_line(repository: Repository, document: str, line: Line) -> Iterator[str]:
    if line.is_code:
        yield from judge_commands(repository, line.text)
        return
    for _, span in _SPAN.findall(line.text):
        yield from judge_commands(repository, span.strip())
        for word in span.split():
            yield from judge_span_path(repository, word)
    for target in _LINK.findall(_SPAN.sub("`", line.text)):
        yield from judge_link(repository, document, target)


def judge_commands(repository: Repository, code: str) -> Iterator[str]:
    for alternatives in _DEV_COMMAND.findall(code):
        for command in alternatives.split("|"):
            if command not in repository.dev_commands:
                yield f"'./dev {command}' is no command of the dev script"
    for alternatives in _TRINE_COMMAND.findall(code):
        for command in alternatives.split("|"):
            if command not in repository.trine_commands:
                yield f"'trine {command}' is no command in {COMMAND_TABLE}"


def judge_span_path(repository: Repository, word: str) -> Iterator[str]:
    """A word in a code span that looks like a path of this repository."""
    word = re.sub(r"(:\d+)?[,.;:)]*$", "", word.lstrip("(")).removeprefix("./")
    top, slash, _ = word.partition("/")
    tops = TOP_FOLDERS | {folder.split("/")[0] for folder in repository.folders}
    is_path = (bool(slash) and top in tops) or re.fullmatch(r"[A-Z]+\.md", word)
    if not is_path or top == "build" or _PLACEHOLDER.search(word):
        return
    # Includes are written relative to src/ and include/.
    if not any(repository.has(prefix + word) for prefix in ("", "src/", "include/")):
        yield f"'{word}' does not exist"


def judge_link(repository: Repository, document: str, target: str) -> Iterator[str]:
    path = target.partition("#")[0]
    if not path or re.match(r"[a-z][a-z0-9+.-]*:", path) or _PLACEHOLDER.search(path):
        return  # an anchor, another site, a placeholder
    full = posixpath.normpath(posixpath.join(posixpath.dirname(document), path))
    if full != "." and not repository.has(full):
        yield f"link to '{target}': '{full}' does not exist"


if __name__ == "__main__":
    main(check, "every path and command in the documents exists", __doc__)
