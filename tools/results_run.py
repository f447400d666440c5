"""Measures what docs/results.md shows; keeps every result, so that an interrupted run goes on.

A result is a JSON file of build/results/cache, named after a hash of everything it depends on:
the options, the model, the texts and the program's version (its bytes with --by-program-hash).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

from results_arithmetic import Measured, Score
from results_rows import Row

MODEL = Path("models/tiny-mixtral")
INITIAL = MODEL / "router_init.safetensors"
WINDOW = "256"  # the model's context
SHARED_LETTERS = 50  # this many in a row in both texts count as an overlap

Run = Callable[..., dict]


class Refused(Exception):
    """The program said no; the message is its own sentence."""


class Texts(NamedTuple):
    """Files on this machine; the page names them by their keys."""

    evaluated: dict[str, Path]  # "books-small", "wikitext-2"
    calibration: Path


def sha(*parts: bytes | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
    return digest.hexdigest()[:24]


def file_sha(path: Path) -> str:
    return sha(path.read_bytes())


def run_program(program: Path, *arguments: str | Path) -> dict:
    """One command's JSON; Refused with the program's sentence."""
    command = [str(program), *map(str, arguments), "--json"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )
    try:
        result = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise Refused(f"exit {done.returncode}: {done.stderr.strip()[-300:]}") from None
    if done.returncode != 0:
        raise Refused(result["error"]["message"])
    return result


def find_texts(folder: Path | None) -> dict[str, Path]:
    """books-small, books and wikitext-2; ends with a sentence when one is absent."""
    if folder is None:
        sys.exit(
            "results: no texts: name the folder with books-small.txt, books.txt and "
            "wikitext-2/test.txt with --texts DIR or TRINE_TEXTS=DIR"
        )
    files = {
        "books-small": folder / "books-small.txt",
        "books": folder / "books.txt",
        "wikitext-2": folder / "wikitext-2/test.txt",
    }
    for path in files.values():
        if not path.is_file():
            sys.exit(f"results: {path} is not there; --texts or TRINE_TEXTS names its folder")
    return files


def without_passages(long: str, short: str) -> str:
    """`long` without every passage of `short` that stands in it, so that a model calibrated on
    the one has not seen the other. A separator stands where something was taken out."""
    position = 0
    while position < len(short):
        length = _longest_shared(long, short, position)
        if length >= SHARED_LETTERS:
            long = long.replace(short[position : position + length], "\n\n", 1)
        else:
            position += 1
            continue
        # The same words may stand in two places: look again before going on.
        if short[position : position + length] not in long:
            position += length
    return long


def _longest_shared(long: str, short: str, position: int) -> int:
    """Length of the longest piece of `short` from `position` on that stands in `long`."""
    if short[position : position + SHARED_LETTERS] not in long:
        return 0
    low, high = SHARED_LETTERS, len(short) - position
    while low < high:
        middle = (low + high + 1) // 2
        if short[position : position + middle] in long:
            low = middle
        else:
            high = middle - 1
    return low


def overlap(left: str, right: str) -> int:
    """Pieces of SHARED_LETTERS letters of `right` that stand in `left`."""
    size = SHARED_LETTERS
    pieces = {left[start : start + size] for start in range(len(left) - size + 1)}
    return sum(right[start : start + size] in pieces for start in range(len(right) - size + 1))


def whole_lines(text: bytes, limit: int) -> bytes:
    """At most `limit` bytes of the beginning, ending with a line; 0: everything."""
    if limit == 0 or len(text) <= limit:
        return text
    return text[: text.rindex(b"\n", 0, limit) + 1]


def prepare_texts(files: dict[str, Path], folder: Path, wikitext_bytes: int) -> Texts:
    """Writes the calibration text and the beginning of wikitext-2 into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    wikitext, calibration = folder / "wikitext-2.txt", folder / "calibration.txt"
    wikitext.write_bytes(whole_lines(files["wikitext-2"].read_bytes(), wikitext_bytes))
    small = files["books-small"].read_text(encoding="utf-8")
    rest = without_passages(files["books"].read_text(encoding="utf-8"), small)
    if overlap(rest, small):
        sys.exit("results: the calibration text still has passages of books-small.txt")
    calibration.write_text(rest, encoding="utf-8")
    return Texts({"books-small": files["books-small"], "wikitext-2": wikitext}, calibration)


class Bench:
    """Program, model, texts and the cache of what was measured with them."""

    def __init__(self, folder: Path, texts: Texts, run: Run, program_key: str) -> None:
        self.folder, self.texts, self.run = folder, texts, run
        self.cache = folder / "cache"
        self.cache.mkdir(parents=True, exist_ok=True)
        weights = [file_sha(MODEL / name) for name in ("model.safetensors", "config.json")]
        self.text_keys = {name: file_sha(path) for name, path in texts.evaluated.items()}
        self.calibration_key = file_sha(texts.calibration)
        self.making = threading.Lock()
        self.base_key = sha(program_key, *weights)

    def path_of(self, kind: str, *parts: str) -> Path:
        return self.cache / f"{kind}-{sha(self.base_key, kind, *parts)}.json"

    def cached(self, path: Path, measure: Callable[[], dict]) -> dict:
        """What is in the file, else what `measure` finds; kept whole or not at all."""
        if path.exists():
            return json.loads(path.read_text())
        found = measure()
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(found, indent=1) + "\n")
        partial.replace(path)
        return found

    def key_parts(self, options: tuple[str, ...]) -> list[str]:
        """What a row's model depends on; the calibration text only where it is used."""
        parts = list(options)
        if any("statistics}" in option for option in options):
            parts.append(self.calibration_key)
        if "{initial}" in options:
            parts.append(file_sha(INITIAL))
        return parts

    def statistics(self) -> Path:
        """Full second moments and the use of experts, on the calibration text."""
        path = self.path_of("statistics", self.calibration_key)
        target = path.with_suffix(".trinestats")

        def measure() -> dict:
            return self.run(
                "calibrate",
                MODEL,
                "--text",
                self.texts.calibration,
                "--window",
                WINDOW,
                "--moments",
                "full",
                "-o",
                target,
            )

        if not target.exists():
            path.unlink(missing_ok=True)
        self.cached(path, measure)
        return target

    def errors(self, with_statistics: bool) -> Path:
        """The table of measured errors, which all budgets share."""
        parts = (self.calibration_key,) if with_statistics else ()
        path = self.path_of("errors", *parts)
        target = path.with_suffix(".table")
        more = ("--stats", self.statistics()) if with_statistics else ()

        def measure() -> dict:
            return self.run(
                "plan", MODEL, "--bits-per-weight", "3.0", "--errors", target, *more
            )

        if not target.exists():
            path.unlink(missing_ok=True)
        self.cached(path, measure)
        return target

    def error_seconds(self) -> dict[str, float]:
        """What measuring the tables took, for those that exist."""
        found = {}
        for name, parts in (("without", ()), ("with", (self.calibration_key,))):
            path = self.path_of("errors", *parts)
            if path.exists():
                found[name] = json.loads(path.read_text())["seconds"]
        return found

    def resolved(self, options: tuple[str, ...]) -> list[str]:
        makers = {
            "{initial}": lambda: INITIAL,
            "{statistics}": self.statistics,
            "{errors}": lambda: self.errors(False),
            "{errors-statistics}": lambda: self.errors(True),
        }
        with self.making:  # rows that run side by side wait for the file they share
            return [str(makers[word]()) if word in makers else word for word in options]

    def scores(self, model: Path, texts: Iterator[str] | list[str]) -> dict[str, dict]:
        return {
            text: self.run(
                "eval",
                model,
                "--text",
                self.texts.evaluated[text],
                "--window",
                WINDOW,
                "--reference",
                MODEL,
            )
            for text in texts
        }

    def row_path(self, row: Row) -> Path:
        parts = self.key_parts(row.options)
        return self.path_of("row", *parts, "texts", *self.text_keys.values())

    def measure_row(self, row: Row) -> dict:
        def measure() -> dict:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                packed = Path(folder) / "packed"
                report = self.run("compress", MODEL, packed, *self.resolved(row.options))
                return {
                    "options": list(row.options),
                    "compress": report,
                    "eval": self.scores(packed, list(self.texts.evaluated)),
                }

        return self.cached(self.row_path(row), measure)

    def original(self) -> dict[str, dict]:
        """The original's perplexity by text, and how many tokens there are."""

        def measure() -> dict:
            return {
                text: self.run("eval", MODEL, "--text", path, "--window", WINDOW)
                for text, path in self.texts.evaluated.items()
            }

        return self.cached(self.path_of("original", *self.text_keys.values()), measure)

    def kl_of_plan(self, plan: dict) -> dict:
        """Compresses by an edited plan; its scores on books-small."""
        text = json.dumps(plan, sort_keys=True)

        def measure() -> dict:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                file, packed = Path(folder) / "plan.json", Path(folder) / "packed"
                file.write_text(text)
                self.run("compress", MODEL, packed, "--plan", file)
                return self.scores(packed, ["books-small"])["books-small"]

        return self.cached(self.path_of("plan", text, self.text_keys["books-small"]), measure)


def to_measured(row: Row, found: dict) -> Measured:
    report = found["compress"]
    return Measured(
        series=row.series,
        name=row.name,
        kind=row.kind,
        options=shown_options(row.options),
        is_budget=row.is_budget,
        matrix_bytes=report["compressed_matrix_bytes"],
        bits_per_weight=report["bits_per_weight"],
        weight_error=report["weight_error"],
        seconds=report["seconds"],
        scores={text: _score(scores) for text, scores in found["eval"].items()},
    )


def _score(scores: dict) -> Score:
    values = []
    for key in ("perplexity", "kl_divergence", "top1_agreement", "routing_agreement"):
        values += [scores[key], scores[f"{key}_stderr"]]
    return Score(*values)


def shown_options(options: tuple[str, ...]) -> str:
    """As a reader would type them; the error tables only save time and are left out."""
    words, skip = [], False
    for index, word in enumerate(options):
        if skip or (word == "--errors" and options[index + 1].startswith("{errors")):
            skip = not skip
            continue
        words.append({"{initial}": "INITIAL", "{statistics}": "STATS"}.get(word, word))
    return " ".join(words)


def remove_leftovers(folder: Path) -> None:
    """What an interrupted run left behind."""
    for path in folder.glob("tmp*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob("cache/*.partial"):
        path.unlink(missing_ok=True)
