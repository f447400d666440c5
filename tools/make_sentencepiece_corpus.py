#!/usr/bin/env python3
"""Writes fuzz/corpus/sentencepiece: small tokenizer.model files, each behind a text and a line feed.

    python3 tools/make_sentencepiece_corpus.py

Good models show the fuzzer what one looks like; each of the others breaks one rule of
src/input/sentencepiece_guard.h, and some of them end libsentencepiece 0.1.97 without it.
Standard library only.
"""

import base64
import json
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "fuzz/corpus/sentencepiece"
T5 = ROOT / "tests/golden/tokenizer/t5/tokenizer.json"
TEXT = "ab \u00e9 ab</s>\u2581\uff21"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
UNIGRAM, BPE, WORD = 1, 2, 3


def varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def field(number: int, value: int | float | bytes | str) -> bytes:
    """One protobuf field: a varint, a 32-bit float, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def piece(text: bytes | str, score: float = 0.0, kind: int = NORMAL) -> bytes:
    return field(1, field(1, text) + field(2, score) + field(3, kind))


SPECIAL = piece("<unk>", 0.0, UNKNOWN) + piece("<s>", 0.0, CONTROL) + piece("</s>", 0.0, CONTROL)
WORDS = b"".join(piece(text, -float(rank)) for rank, text in enumerate(
    ["\u2581a", "ab", "\u2581ab", "a", "b", "\u2581", "\u00e9"], 1))  # fmt: skip
BYTES = b"".join(piece(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256))


def trainer(model_type: int = BPE, byte_fallback: bool = False) -> bytes:
    return field(2, field(3, model_type) + field(35, int(byte_fallback)))


def normalizer(charsmap: bytes = b"", **settings: int) -> bytes:
    numbers = {"add_dummy_prefix": 3, "remove_extra_whitespaces": 4, "escape_whitespaces": 5}
    fields = b"".join(field(numbers[name], value) for name, value in settings.items())
    return field(3, (field(2, charsmap) if charsmap else b"") + fields)


def charsmap(units: dict[int, int], replacements: bytes) -> bytes:
    trie = [units.get(index, 0x80000000) for index in range(256)]
    return struct.pack("<I256I", 1024, *trie) + replacements


def chain(length: int) -> dict[int, int]:
    """A trie of the rules a, aa, aaa, …, of which each stands for the first replacement. A unit
    is its label, a bit for "a rule ends here", and the way to its children, shifted by 10. The
    children of depth d begin at unit d + 1, where the value of their parent's rule lies, too."""
    units, node = {0: 1 << 10}, 1 ^ ord("a")
    for depth in range(1, length + 1):
        children = depth + 1
        units[node] = ord("a") | 0x100 | (node ^ children) << 10
        units[children] = 0x80000000
        node = children ^ ord("a")
    return units


def t5_charsmap() -> bytes:
    normalizer_json = json.loads(T5.read_text())["normalizer"]
    parts = normalizer_json.get("normalizers", [normalizer_json])
    return base64.b64decode(next(p for p in parts if p["type"] == "Precompiled")
                            ["precompiled_charsmap"])  # fmt: skip


def good_models() -> dict[str, bytes]:
    return {
        "bpe": SPECIAL + WORDS + trainer(),
        "unigram": SPECIAL + WORDS + trainer(UNIGRAM) + normalizer(add_dummy_prefix=0),
        "byte_fallback": SPECIAL + BYTES + WORDS + trainer(BPE, True),
        "user_defined": SPECIAL + WORDS + piece("b\u2581a", 0.0, USER_DEFINED)
        + trainer(),
        "unused": SPECIAL + WORDS + piece("\u2581ab\u2581ab", 9.0, UNUSED) + trainer(),
        "rules": SPECIAL + WORDS + trainer(UNIGRAM) + normalizer(t5_charsmap()),
        "nested_rules": SPECIAL + WORDS + trainer()
        + normalizer(charsmap(chain(32), b"b\0")),
        "suffix_and_self_test": SPECIAL + WORDS + field(2, field(3, BPE) + field(24, 1))
        + field(4, field(1, field(1, "ab") + field(2, "ab  ")))
        + normalizer(remove_extra_whitespaces=0, escape_whitespaces=0),
    }  # fmt: skip


def hostile_models() -> dict[str, bytes]:
    good = SPECIAL + WORDS + trainer()
    beyond = charsmap({0: 0xFFFFFC00}, b"b\0")
    circle = charsmap({0: 96 << 10, 1: ord("a") | (1 ^ 96) << 10}, b"b\0")
    return {
        "empty": b"",
        "no_pieces": trainer(),
        "no_unknown": WORDS + trainer(),
        "two_unknown": SPECIAL + piece("<unk2>", 0.0, UNKNOWN) + WORDS,
        "piece_empty": good + piece(""),
        "piece_long": good + piece("a" * 1025),
        "piece_with_zero": good + piece("a\0b") + piece("a\0c"),
        "piece_not_utf8": good + piece(b"\xff"),
        "piece_no_message": SPECIAL + field(1, 5) + WORDS,
        "score_nan": good + piece("nan", float("nan")),
        "type_unknown": good + piece("odd", 0.0, 77),
        "byte_without_fallback": good + piece("<0x41>", 0.0, BYTE),
        "word_model": SPECIAL + WORDS + trainer(WORD),
        "trainer_twice": good + trainer(UNIGRAM),
        "control_character": good + piece("c", 0.0, CONTROL) + normalizer(
            charsmap(chain(1), b"c\0")),
        "control_twice": good + piece("cc", 0.0, CONTROL) + piece("cc") + piece("c"),
        "nested_pieces": good + b"".join(piece("a" * n, 0.0, USER_DEFINED) for n in range(2, 68)),
        "rules_beyond_trie": good + normalizer(beyond),
        "rules_in_a_circle": good + normalizer(circle),
        "rules_nested": good + normalizer(charsmap(chain(33), b"b\0")),
        "rules_replacement_beyond": good + normalizer(
            charsmap({**chain(1), 2: 0x80000100}, b"b\0")),
        "rules_replacement_long": good + normalizer(
            charsmap(chain(1), b"b" * 300 + b"\0")),
        "rules_size_wrong": good + normalizer(struct.pack("<I", 6) + b"abcdef"),
        "rules_empty_trie": good + normalizer(struct.pack("<I", 0) + b"b\0"),
        "self_test_fails": good + field(4, field(1, field(1, "ab") + field(2, "ba"))),
        "length_beyond": good + b"\x0a\x7f",
        "number_endless": good + b"\x08" + b"\xff" * 10 + b"\x01",
        "group": good + b"\x33\x34",
        "field_zero": good + b"\x00\x01",
    }  # fmt: skip


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.iterdir():
        if not old.name.startswith("found_"):  # what the fuzzer found stays
            old.unlink()
    models = {**good_models(), **hostile_models()}
    for name, model in models.items():
        text = "a" * 40 + TEXT if "nested" in name else TEXT
        (TARGET / name).write_bytes(text.encode() + b"\n" + model)
    print(f"{len(models)} files in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
