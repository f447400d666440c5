"""Runs the built program as a user would. Shared by the tests of this folder."""

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# TRINE_PROGRAM stands in for the programs of other presets, as ./dev coverage wants it.
PROGRAM = Path(os.environ.get("TRINE_PROGRAM", ROOT / "build/release/trine"))
MODEL = ROOT / "models/tiny-mixtral"
SAMPLE = MODEL / "sample.txt"
# Public-domain texts that are not part of the project; tests that need them say so when absent.
DATA = Path(os.environ.get("TRINE_DATA_DIR", ROOT.parent / "shared/data"))


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict:
        return json.loads(self.stdout)


def trine(*arguments: str | Path, environment: dict[str, str] | None = None) -> Done:
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def trine_json(*arguments: str | Path) -> dict:
    """The result of a command that must succeed."""
    done = trine(*arguments, "--json")
    assert done.code == 0, f"trine {arguments}: exit {done.code}: {done.stdout} {done.stderr}"
    return done.json
