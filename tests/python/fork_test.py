"""Processes that are forked: they work, or say why they cannot, and never hang."""

import subprocess
import sys

PROGRAM = """
import os, sys
import trine

model = trine.Model.load(sys.argv[1])
if sys.argv[2] == "late":
    model.generate("A", max_tokens=1)
child = os.fork()
if child == 0:
    try:
        print("wrote", model.generate("A", max_tokens=1).generated_tokens, flush=True)
        print("verified", trine.verify(sys.argv[1]).num_tensors > 0, flush=True)
    except trine.Error as error:
        print(error.code, error.message, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent wrote", model.generate("A", max_tokens=1).generated_tokens)
"""


def run(original, when):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, original, when],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout.splitlines()  # fmt: skip


def test_a_process_forked_before_any_work_works(original):
    assert run(original, "early") == ["wrote 1", "verified True", "parent wrote 1"]


def test_a_process_forked_after_work_says_what_is_wrong(original):
    said, parent = run(original, "late")
    assert said.startswith("unsupported this process was forked") and "spawn" in said
    assert parent == "parent wrote 1"
