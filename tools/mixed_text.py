"""Texts of every kind, drawn by chance from tests/golden/tokenizer/fragments.json.

tests/input/mixed_text.h draws the same texts from the same seeds, so that golden files need hold
no texts, only what became of them.
"""
import json
import pathlib

FRAGMENTS_PATH = (pathlib.Path(__file__).resolve().parent.parent
                  / "tests/golden/tokenizer/fragments.json")
MASK = (1 << 64) - 1
FREQUENT = "etaoin shrdlu"
SPACES = " \t\n\r\u00a0\u0085\u180e\u2028\u3000"


class Random:
    """SplitMix64, as in src/base/random.h."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return (mixed ^ (mixed >> 31)) % limit


def any_character(random):
    limit = [0x80, 0x800, 0x3000, 0x10000 - 0x800, 0x110000 - 0x800][random.below(5)]
    code = random.below(limit)
    return chr(code if code < 0xD800 else code + 0x800)


def draw(random, fragments):
    """A stretch of one kind."""
    kind = random.below(16)
    if kind < 9:
        return fragments[random.below(len(fragments))]
    if kind == 9:
        return " " * (1 + random.below(12))
    if kind == 10:
        return "".join(chr(0x30 + random.below(10)) for _ in range(1 + random.below(12)))
    if kind == 11:
        return "".join(any_character(random) for _ in range(1 + random.below(4)))
    if kind == 12:
        return "".join(SPACES[random.below(len(SPACES))] for _ in range(1 + random.below(4)))
    if kind == 13:
        return "".join(FREQUENT[random.below(5)] for _ in range(1 + random.below(60)))
    if kind == 14:
        return "".join(FREQUENT[random.below(13)] for _ in range(1 + random.below(60)))
    fragment = fragments[random.below(len(fragments))]
    begin = random.below(len(fragment))
    return fragment[begin:begin + 1 + random.below(6)]


def mixed_text(seed, num_bytes, fragments):
    """At least `num_bytes` bytes of UTF-8."""
    random = Random(seed)
    stretches = []
    size = 0
    while size < num_bytes:
        stretch = draw(random, fragments)
        if random.below(2) == 0:
            stretch += " "
        stretches.append(stretch)
        size += len(stretch.encode())
    return "".join(stretches)


def read_fragments():
    return json.loads(FRAGMENTS_PATH.read_text())
