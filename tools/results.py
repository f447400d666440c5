#!/usr/bin/env python3
"""Measures every method at equal bytes and writes docs/results.md. Run by ./dev results.

    ./dev results --texts DIR            everything; goes on where it was interrupted
    ./dev results --texts DIR --only hqq only rows with that in them (a regular expression)

DIR (or TRINE_TEXTS) holds books-small.txt, books.txt and wikitext-2/test.txt. The page goes to
build/results, and to docs when nothing is missing. Standard library only.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import results_chart
import results_page
import results_sensitivity
import results_time
from results_arithmetic import Measured, mean_of
from results_rows import Row, all_rows
from results_run import (
    MODEL,
    Bench,
    Refused,
    file_sha,
    find_texts,
    prepare_texts,
    remove_leftovers,
    run_program,
    sha,
    to_measured,
)

PROGRAM = Path(os.environ.get("TRINE_PROGRAM", "build/release/trine"))
PYTHON = Path("build/venv/bin/python")  # has NumPy, for the synthetic checkpoint
FOLDER = Path("build/results")
TEMPLATE = Path("tools/results_template.md")
PAGE = Path("docs/results.md")
PICTURE = Path("docs/images/results.png")
SMALLEST = (
    ("--preset", "rtn-2bit"),
    ("--preset", "rtn-2bit", "--group-size", "128"),
    ("--preset", "rtn-2bit", "--metadata-bits", "8"),
    ("--preset", "rtn-2bit", "--group-size", "128", "--metadata-bits", "8"),
)


def say(sentence: str) -> None:
    print(sentence, flush=True)


def measure_rows(bench: Bench, rows: list[Row], jobs: int) -> list[tuple[str, str]]:
    """Measures what is not in the cache; returns what the program refused, and why."""
    todo = [row for row in rows if not bench.row_path(row).exists()]
    say(f"{len(rows) - len(todo)} of {len(rows)} rows are measured")
    refused = []

    def measure(item: tuple[int, Row]) -> None:
        index, row = item
        start = time.monotonic()
        try:
            bench.measure_row(row)
            outcome = f"{time.monotonic() - start:.0f} s"
        except Refused as why:
            refused.append((row.label, str(why)))
            outcome = f"refused: {why}"
        say(f"[{index}/{len(todo)}] {row.label}: {outcome}")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(measure, enumerate(todo, start=1)))
    return refused


def collect(bench: Bench, rows: list[Row]) -> tuple[list[Measured], list[Row]]:
    """Rows that are measured, draws joined into their mean, and rows that are not."""
    found, absent, draws = [], [], {}
    for row in rows:
        path = bench.row_path(row)
        if not path.exists():
            absent.append(row)
            continue
        measured = to_measured(row, json.loads(path.read_text()))
        if row.average_of:
            draws.setdefault(row.average_of, []).append(measured)
        else:
            found.append(measured)
    for members in draws.values():
        mean = mean_of(members)
        found.append(mean._replace(options=re.sub(r"--seed \S+", "--seed N", mean.options)))
    return found, absent


def smallest_formats(bench: Bench) -> dict:
    """Bits per weight of the smallest formats, and the program's word on 2.0 bits."""

    def measure() -> dict:
        found: dict = {"presets": [" ".join(options) for options in SMALLEST]}
        for options in SMALLEST:
            found[" ".join(options)] = bench.run("plan", MODEL, *options)["bits_per_weight"]
        try:
            table = ("--errors", bench.errors(False))
            bench.run("plan", MODEL, "--bits-per-weight", "2.0", *table)
            found["refusal"] = "it is not"
        except Refused as why:
            found["refusal"] = str(why)
        return found

    return bench.cached(bench.path_of("smallest"), measure)


def write(bench: Bench, page: results_page.Page, is_complete: bool) -> None:
    text = results_page.fill(TEMPLATE.read_text(encoding="utf-8"), page)
    chart = bench.folder / "results.html"
    results_chart.write_page(chart, page.rows, list(page.original))
    (bench.folder / "results.md").write_text(text, encoding="utf-8")
    say(f"{bench.folder / 'results.md'} and {chart}")
    if is_complete:
        PAGE.write_text(text, encoding="utf-8")
    say(
        results_chart.write_picture(
            chart, PICTURE if is_complete else bench.folder / "results.png"
        )
    )
    say(
        f"{PAGE} is written"
        if is_complete
        else f"{PAGE} is left alone: not everything is measured"
    )


def parse_arguments() -> argparse.Namespace:
    named = os.environ.get("TRINE_TEXTS") or os.environ.get("TRINE_DATA_DIR")
    parser = argparse.ArgumentParser(
        prog="./dev results",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--texts", type=Path, metavar="DIR", default=Path(named) if named else None
    )
    parser.add_argument("--only", metavar="PATTERN", help="measure only rows with this in them")
    parser.add_argument("--jobs", type=int, default=1, help="rows side by side; default 1")
    parser.add_argument(
        "--wikitext-bytes",
        type=int,
        default=100_000,
        metavar="N",
        help="beginning of wikitext-2 to use, 0 for all; default 100000",
    )
    parser.add_argument(
        "--by-program-hash",
        action="store_true",
        help="measure anew whenever the program's bytes changed, not its version",
    )
    parser.add_argument(
        "--accept-missing",
        action="store_true",
        help="write docs/results.md although rows were refused; it lists them",
    )
    arguments = parser.parse_args()
    if arguments.jobs < 1 or arguments.wikitext_bytes < 0:
        parser.error("--jobs is at least 1, --wikitext-bytes at least 0")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    files = find_texts(arguments.texts)
    remove_leftovers(FOLDER)
    texts = prepare_texts(files, FOLDER / "texts", arguments.wikitext_bytes)
    run = partial(run_program, PROGRAM)
    program_key = file_sha(PROGRAM) if arguments.by_program_hash else sha(program_version())
    bench = Bench(FOLDER, texts, run, program_key)
    rows = all_rows()
    wanted = [
        row for row in rows if not arguments.only or re.search(arguments.only, row.label, re.I)
    ]
    if not wanted:
        sys.exit(f"results: no row has {arguments.only!r} in it")
    refused = measure_rows(bench, wanted, arguments.jobs)
    original = bench.original()
    experts: list = []
    times: dict = {}
    if not arguments.only:
        experts = results_sensitivity.measure_experts(bench, say)
        times = results_time.times(bench, PYTHON)
    found, absent = collect(bench, rows)
    reasons = dict(refused)
    statistics = bench.path_of("statistics", bench.calibration_key)
    page = results_page.Page(
        rows=found,
        original=original,
        wikitext_limit=arguments.wikitext_bytes,
        calibration_tokens=(
            json.loads(statistics.read_text())["tokens"] if statistics.exists() else None
        ),
        smallest=(
            smallest_formats(bench) if not arguments.only else {"presets": [], "refusal": ""}
        ),
        experts=experts,
        correlations=results_sensitivity.correlations(experts) if experts else [],
        times=times,
        error_seconds=bench.error_seconds(),
        missing=[(row.label, reasons.get(row.label, "")) for row in absent],
    )
    is_complete = not arguments.only and (not absent or arguments.accept_missing)
    write(bench, page, is_complete)
    if refused:
        sys.exit(f"results: {len(refused)} rows were refused")


def program_version() -> str:
    """A part of every result's name."""
    return subprocess.run(
        [PROGRAM, "--version"], capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    try:
        main()
    except Refused as why:
        sys.exit(f"results: {why}")
    except KeyboardInterrupt:
        sys.exit("results: interrupted; the same command goes on from here")
