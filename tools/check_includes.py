#!/usr/bin/env python3
"""Holds that a file includes what it uses: itself, or through headers of ours that it includes.

Builds compile several files at once, so the compiler no longer finds the file that lives on the
includes of its neighbour. Two things are looked at: names of libraries, by the table below, and
names of types and constants that headers of ours declare.
"""

import re
from functools import lru_cache
from typing import Iterator

from source_tree import SourceTree, Violation, line_of, main, mask_cpp

FOLDERS = ("src", "include", "tests", "python", "fuzz", "examples", "benchmarks")
SUFFIXES = (".cpp", ".h")
BODY = "_body.h"  # a part of the file that includes it

# Names, and the headers any one of which brings them. A name in a namespace of its own stands
# for all that is in it.
LIBRARIES = {
    "algorithm": "std::sort std::stable_sort std::partial_sort std::nth_element std::find_if"
    " std::any_of std::all_of std::none_of std::transform std::clamp std::ranges::sort"
    " std::ranges::equal std::ranges::find std::ranges::any_of std::ranges::all_of"
    " std::lower_bound std::upper_bound std::max_element std::min_element std::count_if",
    "any": "std::any",
    "array": "std::array std::to_array",
    "atomic": "std::atomic",
    "bit": "std::bit_cast std::popcount std::countr_zero std::bit_width",
    "bitset": "std::bitset",
    "charconv": "std::from_chars std::to_chars",
    "chrono": "std::chrono",
    "condition_variable": "std::condition_variable",
    "cmath": "std::sqrt std::exp std::log std::pow std::isfinite std::isnan std::lround std::tanh",
    "cstring": "std::memcpy std::memset std::memcmp",
    "deque": "std::deque",
    "filesystem": "std::filesystem",
    "fstream": "std::ifstream std::ofstream",
    "functional": "std::function",
    "future": "std::future std::async",
    "iostream": "std::cout std::cerr",
    "limits": "std::numeric_limits",
    "list": "std::list",
    "map": "std::map std::multimap",
    "memory": "std::unique_ptr std::shared_ptr std::weak_ptr std::make_unique std::make_shared",
    "mutex": "std::mutex std::lock_guard std::unique_lock std::scoped_lock std::once_flag",
    "numbers": "std::numbers",
    "numeric": "std::accumulate std::iota std::gcd",
    "optional": "std::optional std::nullopt",
    "queue": "std::queue std::priority_queue",
    "random": "std::mt19937 std::mt19937_64",
    "set": "std::set",
    "span": "std::span std::as_bytes",
    "sstream": "std::ostringstream std::istringstream",
    "stdexcept": "std::runtime_error std::invalid_argument std::logic_error",
    "string": "std::string std::to_string",
    "string_view": "std::string_view",
    "thread": "std::thread std::jthread std::this_thread",
    "tuple": "std::tuple std::tie",
    "unordered_map": "std::unordered_map",
    "unordered_set": "std::unordered_set",
    "variant": "std::variant std::visit std::get_if std::holds_alternative",
    "vector": "std::vector",
    "fmt/format.h": "fmt::format fmt::join fmt::print",
    "nlohmann/json.hpp": "nlohmann::json nlohmann::ordered_json",
    "tl/expected.hpp": "tl::expected tl::unexpected",
    "CLI/CLI.hpp": "CLI::App CLI::Option",
    "simdjson.h": "simdjson::dom simdjson::padded_string",
    "gtest/gtest.h": "testing::Test testing::TestWithParam",
}
HEADERS_OF = {}
for _headers, _names in LIBRARIES.items():
    for _name in _names.split():
        HEADERS_OF.setdefault(_name, set()).update(_headers.split())

# What a header of a library brings by its documentation.
BRINGS = {"fmt/ranges.h": {"fmt/format.h"}}

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
_QUALIFIED = re.compile(r"(?<![\w:])(?:std|fmt|nlohmann|tl|CLI|simdjson|testing)(?:::\w+)+")
# A type or constant, or a function that is called; not a member of something.
_USE = re.compile(
    r"(?<![\w.:~])(?<!->)((?:\w+::)*)(?:([A-Z]\w*|k[A-Z]\w*)\b|([a-z]\w*)(?=\())"
)
_FOREIGN = re.compile(r"(?:std|fmt|nlohmann|tl|CLI|simdjson|testing|net|[A-Z]\w*)::")
# At the beginning of a line, as namespaces are not indented.
_DECLARATION = re.compile(
    r"^(?:template ?<[^;{]*>\s*)?(?:class|struct|enum class|enum|concept)\s+(?:\[\[\w+\]\]\s*)?"
    r"([A-Z]\w*)(?=[^;(]*\{)"
    r"|^using\s+([A-Z]\w*)\s*="
    r"|^(?:inline )?constexpr\s[^=;{(]*?\b(k[A-Z]\w*)\s*[={\[]"
    r"|^(?!return|#|using|namespace|class|struct|friend)[\w\[][\w:<>,&*\[\] \n]*?[ &*](\w+)\(",
    re.MULTILINE,
)
# Anything else that declares a name: nested types, parameters of templates, enumerators, tests.
_OTHER = re.compile(
    r"\b(?:class|struct|enum|typename|concept|using)\s+(?:class\s+)?(\w+)"
    r"|\b(k[A-Z]\w*)\s*[={\[]"
    r"|\b[\w:]+\s(?:\.\.\.\s?)?(k[A-Z]\w*)\s*[,>)]"
    r"|(?<!return)(?<!else)(?<!throw)(?<=[\w>&*\]]) [&*]?([a-z]\w*)(?=[(,)=;{:\]]| =| :)"
    r"|[&*]([a-z]\w*)(?=[,)=;{\]]| =)"
    r"|\b(?:[A-Z]+_)*TEST(?:_[A-Z]+)*\s*\(\s*(\w+)"
)


_ENUMERATORS = re.compile(r"\benum\b[^;{()]*\{([^}]*)\}")


class Includes:
    """Which headers a file sees, and which names of ours it declares."""

    def __init__(self, tree: SourceTree):
        self.tree = tree
        self.paths = set(tree.under(FOLDERS, SUFFIXES))
        self.seen = lru_cache(maxsize=None)(self._seen)
        self.text = lru_cache(maxsize=None)(lambda path: mask_cpp(tree.text(path)))
        self.names = lru_cache(maxsize=None)(self._names)

    def resolve(self, path: str, header: str) -> str | None:
        """The path of a header of ours."""
        beside = path.rsplit("/", 1)[0] + "/" + header
        for candidate in (f"src/{header}", f"include/{header}", f"tests/{header}", beside):
            if candidate in self.paths:
                return candidate
        return None

    def _names(self, path: str) -> frozenset[str]:
        """What the file itself declares; nothing for a header that is not ours."""
        if path not in self.paths:
            return frozenset()
        found = set(declarations(self.text(path)))
        for match in _OTHER.finditer(self.text(path)):
            found.update(filter(None, match.groups()))
        for enumerators in _ENUMERATORS.findall(self.text(path)):
            found.update(re.findall(r"\bk[A-Z]\w*", enumerators))
        return frozenset(found)

    def _seen(self, path: str) -> frozenset[str]:
        found: set[str] = set()
        todo = [path]
        while todo:
            file = todo.pop()
            if file in found:
                continue
            found.add(file)
            text = mask_cpp(self.tree.text(file), keep_literals=True)
            for _, header in _INCLUDE.findall(text):
                ours = self.resolve(file, header)
                if ours is not None:
                    todo.append(ours)
                else:
                    found |= {header} | BRINGS.get(header, set())
        return frozenset(found)


def declarations(text: str) -> Iterator[str]:
    """Types and constants that a file declares outside of others."""
    for match in _DECLARATION.finditer(text):
        yield next(filter(None, match.groups()))


def check(tree: SourceTree) -> Iterator[Violation]:
    includes = Includes(tree)
    declared: dict[str, set[str]] = {}
    for path in includes.paths:
        if path.endswith(".h") and not path.endswith(BODY):
            for name in declarations(includes.text(path)):
                declared.setdefault(name, set()).add(path)
    for path in sorted(includes.paths):
        yield from check_libraries(includes, path)
        yield from check_ours(includes, path, declared)


def check_libraries(includes: Includes, path: str) -> Iterator[Violation]:
    if path.endswith(BODY):
        return
    text = includes.text(path)
    told: set[str] = set()
    for match in _QUALIFIED.finditer(text):
        parts = match[0].split("::")
        for length in range(2, len(parts) + 1):
            name = "::".join(parts[:length])
            headers = HEADERS_OF.get(name)
            if headers is None or headers & includes.seen(path) or headers & told:
                continue
            told |= headers
            wanted = " or ".join(f"<{header}>" for header in sorted(headers))
            yield Violation(path, line_of(text, match.start()), f"{name}: include {wanted}")


def check_ours(
    includes: Includes, path: str, declared: dict[str, set[str]]
) -> Iterator[Violation]:
    if path.endswith(BODY):
        return
    text = includes.text(path)
    known = set().union(*(includes.names(file) for file in includes.seen(path)))
    for match in _USE.finditer(text):
        if _FOREIGN.match(match[1]):
            continue
        name = match[2] or match[3]
        homes = {home for home in declared.get(name, ()) if may_include(path, home)}
        if not homes or name in known:
            continue
        known.add(name)
        wanted = " or ".join(f'"{home.split("/", 1)[1]}"' for home in sorted(homes))
        yield Violation(path, line_of(text, match.start()), f"{name}: include {wanted}")


def may_include(path: str, header: str) -> bool:
    """Folders beside each other have names of their own; the rooms are open to all others here."""
    return header.split("/")[0] in ("src", "include", path.split("/")[0])


if __name__ == "__main__":
    main(check, f"{len(HEADERS_OF)} names of libraries and every type of ours included", __doc__)
