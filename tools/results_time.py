"""How long allocation takes for a model of Mixtral's depth and number of experts.

Scores look at weights, so they get a synthetic checkpoint of 32 layers with 8 experts whose
matrices are small: reading weights depends on their size, choosing among 256 experts does not.
The budget's knapsack does depend on sizes, so it gets the full shape of Mixtral-8x7B, in files
of holes, with tiny-mixtral's table of measured errors 32 layers deep and under that shape's sizes.
"""

import json
import re
import resource
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from results_run import Bench, Refused

LAYERS = 32
SMALL = (
    "--layers",
    LAYERS,
    "--hidden",
    256,
    "--intermediate",
    512,
    "--heads",
    8,
    "--kv-heads",
    4,
    "--vocab",
    4096,
)
FULL = ("--layers", LAYERS, "--holes")  # the tool's own sizes are Mixtral's
TINY_TO_FULL = {128: 1024, 256: 4096, 512: 14336}  # key_value, hidden, intermediate
REPEATS = 3


class Timed(NamedTuple):
    name: str
    options: tuple[str, ...]
    goal_seconds: float


SCORED = (
    Timed(
        "expert-mixed, final norm, then variance",
        ("--preset", "expert-mixed-2.5", "--score", "combined"),
        1.0,
    ),
    Timed(
        "expert-mixed, final norm",
        ("--preset", "expert-mixed-2.5", "--score", "router-norm"),
        1.0,
    ),
    Timed("MiLo s1", ("--preset", "milo-s1"), 1.0),
)
BUDGETS = tuple(
    Timed(f"budget of {bits} bits on its table", ("--bits-per-weight", bits), 5.0)
    for bits in ("2.5", "3.0", "4.0")
)


def deepened(matrices: dict[str, dict]) -> dict[str, dict]:
    """Measured errors of few layers as those of LAYERS layers of the full shape: the same rows
    again under the names of further layers, each a little different so that no two tie."""
    layer_of = {name: int(name.split(".layers.")[1].split(".")[0]) for name in matrices}
    depth = 1 + max(layer_of.values())
    deep = {}
    for layer in range(LAYERS):
        for name, row in matrices.items():
            if layer_of[name] != layer % depth:
                continue
            copied = json.loads(json.dumps(row))
            copied["layer"] = layer
            for field in ("out_features", "in_features"):
                copied[field] = TINY_TO_FULL[row[field]]
            for candidate in copied["candidates"]:
                for field in ("weight_error", "output_error"):
                    candidate[field] *= 1 + 0.01 * (layer // depth)
            deep[name.replace(f".layers.{layer_of[name]}.", f".layers.{layer}.")] = copied
    return deep


def make_checkpoint(python: Path, folder: Path, shape: tuple) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [python, "tools/make_synthetic_checkpoint.py", folder, *map(str, shape)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise Refused(done.stderr.strip().splitlines()[-1])


def fastest(bench: Bench, model: Path, timed: Timed, *more: str | Path) -> dict:
    """The best of REPEATS: others' work on the machine only ever adds. Processor time hardly sees
    it, so that is kept too."""
    reports, processor = [], []
    for _ in range(REPEATS):
        before = _processor_seconds()
        reports.append(bench.run("plan", model, *timed.options, *more))
        processor.append(_processor_seconds() - before)
    return {
        "processor_seconds": min(processor),
        "seconds": min(report["seconds"] for report in reports),
        "allocation_seconds": min(report["allocation_seconds"] for report in reports),
        "goal_seconds": timed.goal_seconds,
        "original_bytes": reports[0]["original_bytes"],
    }


def _processor_seconds() -> float:
    """Of all programs run so far, all threads; nothing else runs meanwhile."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _expected_fingerprint(bench: Bench, model: Path, table: Path) -> str:
    """The checkpoint's, as the refusal of another checkpoint's table names it."""
    try:
        bench.run("plan", model, *BUDGETS[0].options, "--errors", table)
    except Refused as why:
        named = re.search(r"expected ([0-9a-f]+)\)", str(why))
        if named is None:
            raise
        return named[1]
    raise Refused("the table of another model was not refused")


def measure(bench: Bench, python: Path) -> dict:
    model, table = bench.folder / "synthetic", bench.folder / "synthetic.table"
    found = {}
    try:
        make_checkpoint(python, model, SMALL)
        for timed in SCORED:
            found[timed.name] = fastest(bench, model, timed)
        make_checkpoint(python, model, FULL)
        stored = json.loads(bench.errors(False).read_text())
        stored["matrices"] = deepened(stored["matrices"])
        table.write_text(json.dumps(stored))
        stored["source_fingerprint"] = _expected_fingerprint(bench, model, table)
        table.write_text(json.dumps(stored))
        for timed in BUDGETS:
            found[timed.name] = fastest(bench, model, timed, "--errors", table)
        return found
    finally:
        shutil.rmtree(model, ignore_errors=True)
        table.unlink(missing_ok=True)


def times(bench: Bench, python: Path) -> dict:
    """By name: seconds of the whole command and of choosing alone."""
    path = bench.path_of("time", *map(str, (*SMALL, *FULL)))
    return bench.cached(path, lambda: measure(bench, python))
