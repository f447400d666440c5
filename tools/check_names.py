#!/usr/bin/env python3
"""Holds the glossary: one word for one thing, in identifiers and in the names of files.

Comments and string literals are free: they may quote other people's words, and names of tensors
and JSON fields are data.
"""

import io
import re
import tokenize
from pathlib import PurePosixPath
from typing import Iterator

from source_tree import CPP_SUFFIXES, SourceTree, Violation, main, mask_cpp

# Written by others → written here. A word is refused wherever it is a part of an identifier:
# `zp` also in `row_zp` and `zp_`, `zero_point` also in `ZeroPoint`.
GLOSSARY = {
    "nbit": "bits",
    "nbits": "bits",
    "zp": "zeros",
    "zero_point": "zeros",
    "zero_points": "zeros",
    "qzeros": "zeros",
    "qweight": "packed codes",
    "qweights": "packed codes",
    "group_sz": "group_size",
    "lora": "LowRankFactors",
    "ppl": "perplexity",
    "kld": "kl_divergence",
    "tps": "tokens_per_second",
    "topk": "experts_per_token (or top_k for a sampler)",
    "w1": "gate_proj",
    "w3": "up_proj",
    "w2": "down_proj",
}

# Fields of config.json keep the spelling they have there.
CONFIG_FIELDS = {"q_lora_rank", "kv_lora_rank"}

# Where a word may stand: the families read other people's tensor names.
EXEMPT_FOLDERS = {word: "src/models/families/" for word in ("w1", "w2", "w3")}

# A file or folder with such a name has not been understood yet.
NAMELESS = {"util", "utils", "common", "misc", "helper", "helpers", "manager"}

CODE_FOLDERS = ("src", "include", "python")
NAMED_FOLDERS = CODE_FOLDERS + ("tests", "tools", "benchmarks", "fuzz", "examples")
CODE_SUFFIXES = CPP_SUFFIXES + (".py",)

_SNAKE_CASE = re.compile(r"_{0,2}[a-z0-9]+(_[a-z0-9]+)*_{0,2}")
_IDENTIFIER = re.compile(r"\b[A-Za-z_]\w*")
_CAMEL_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def check(tree: SourceTree) -> Iterator[Violation]:
    for path in tree.under(NAMED_FOLDERS, CODE_SUFFIXES):
        yield from check_path(path)
    for path in tree.under(CODE_FOLDERS, CODE_SUFFIXES):
        read = python_identifiers if path.endswith(".py") else cpp_identifiers
        for identifier, line in read(tree.text(path)):
            word = refused_word(identifier, path)
            if word is not None:
                sentence = f"'{identifier}': write {GLOSSARY[word]}, not {word}"
                yield Violation(path, line, sentence)


def check_path(path: str) -> Iterator[Violation]:
    for part in PurePosixPath(path).parts:
        stem = part.split(".")[0]
        nameless = NAMELESS.intersection(stem.lower().split("_"))
        for word in sorted(nameless):
            yield Violation(path, 1, f"'{part}': say what it holds, not {word}")
        if not _SNAKE_CASE.fullmatch(stem):
            yield Violation(path, 1, f"'{part}': files and folders are snake_case")


def refused_word(identifier: str, path: str) -> str | None:
    """The first glossary word that is a part of the identifier and not allowed in this file."""
    if identifier in CONFIG_FIELDS:
        return None
    # As it stands (LoRA → lora) and with its humps split (ZeroPoint → zero_point).
    humps = "_".join(_CAMEL_PART.findall(identifier))
    spellings = [f"_{spelling.lower().strip('_')}_" for spelling in (identifier, humps)]
    for word in GLOSSARY:
        folder = EXEMPT_FOLDERS.get(word)
        if folder is not None and path.startswith(folder):
            continue
        if any(f"_{word}_" in spelling for spelling in spellings):
            return word
    return None


def cpp_identifiers(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(mask_cpp(text).split("\n"), start=1):
        for identifier in _IDENTIFIER.findall(line):
            yield identifier, number


def python_identifiers(text: str) -> Iterator[tuple[str, int]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                yield token.string, token.start[0]
    except (tokenize.TokenError, SyntaxError):
        return  # Whoever runs the file will hear of it.


if __name__ == "__main__":
    main(check, f"{len(GLOSSARY)} words of the glossary held", __doc__)
