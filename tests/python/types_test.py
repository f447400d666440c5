"""Types as a checker of users' code sees them: those of the installed package, strictly."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# A line of somebody's program, and what mypy must say of it.
USES = [
    ("reveal_type(model.logits([1]))", "ndarray.*(_32Bit|float32)"),
    ("reveal_type(model.generate('A').text)", r'type is "(builtins\.)?str"'),
    ("reveal_type(trine.inspect('A').matrices[0].rank)", r'type is "(builtins\.)?int"'),
    ("reveal_type(next(model.stream('A')))", r'type is "(builtins\.)?str"'),
    ("reveal_type(trine.compress('a', 'b'))", r"type is .*CompressReport"),
    ("trine.compress('a', 'b', preset=3)", 'Argument "preset" .* incompatible type "int"'),
    ("trine.plan('a', progress=lambda name: None)", 'Argument "progress"'),
    ("trine.Error.code_", 'no attribute "code_"'),
]


def mypy(folder, *arguments):
    """Exit code and output. With its cache kept a run takes a second or two."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / "build/mypy", *arguments],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_package_is_typed_strictly(tmp_path):
    code, output = mypy(tmp_path, "-p", "trine")
    assert code == 0, output


def test_the_example_is_typed_strictly(tmp_path):
    code, output = mypy(tmp_path, ROOT / "examples/quantize_and_run.py")
    assert code == 0, output


def test_what_a_checker_says_of_uses(tmp_path):
    program = ["import trine", "model = trine.Model.load('packed')", *(use for use, _ in USES)]
    (tmp_path / "use.py").write_text("\n".join(program) + "\n", encoding="utf-8")
    _, output = mypy(tmp_path, "use.py")
    said = output.splitlines()
    for number, (use, expected) in enumerate(USES, start=3):
        lines = [line for line in said if line.startswith(f"use.py:{number}: ")]
        assert any(re.search(expected, line) for line in lines), (use, output)
    assert not any(line.startswith(("use.py:1:", "use.py:2:")) for line in said), output


def test_the_stub_lists_what_the_compiled_part_has(tmp_path):
    allowed = tmp_path / "allowed"
    allowed.write_text("trine._native.Model\n", encoding="utf-8")  # pybind11's metaclass
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "trine._native", "--concise", "--allowlist", allowed],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
