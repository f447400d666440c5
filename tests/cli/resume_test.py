"""trine compress --resume: killed at any moment, it ends with the bytes of an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from program import MODEL, PROGRAM, trine, trine_json

OPTIONS = ("--preset", "trine-3bit", "--metadata-bits", "8")
KILLS = int(os.environ.get("TRINE_KILLS", "6"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def finished(partial: Path) -> int:
    """Matrices in the journal of an interrupted run."""
    journal = partial / "finished.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = tempfile.TemporaryDirectory()
        whole = Path(cls.shared.name) / "whole"
        trine_json("compress", MODEL, whole, *OPTIONS, "--trace", f"{cls.shared.name}/trace.csv")
        cls.whole = contents(whole)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.shared.cleanup()

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.target = self.folder / "packed"
        self.partial = self.folder / "packed.partial"

    def killed_after(self, matrices: int, *more: str) -> None:
        """A run that is killed once so many matrices are in its journal."""
        run = subprocess.Popen(
            [PROGRAM, "compress", MODEL, self.target, *OPTIONS, *more],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while finished(self.partial) < matrices and run.poll() is None:
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        self.assertFalse(self.target.exists())

    def resume(self, *options: str) -> dict:
        return trine_json("compress", MODEL, self.target, *options, "--resume")

    def test_killed_at_random_moments(self) -> None:
        draw = random.Random(7)
        total = len(json.loads(self.whole["trine.json"])["matrices"])
        for moment in sorted(draw.sample(range(1, total - 8), KILLS)):
            self.killed_after(moment, "--resume")
        report = self.resume(*OPTIONS)
        self.assertGreater(report["resumed_matrices"], 0)
        self.assertEqual(contents(self.target), self.whole)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["packed"])

    def test_a_changed_plan_redoes_only_what_it_touches(self) -> None:
        self.killed_after(40)
        changed = (*OPTIONS, "--attention-bits", "4")
        done = finished(self.partial)
        report = self.resume(*changed)
        self.assertGreater(report["resumed_matrices"], 0)
        self.assertLess(report["resumed_matrices"], done)  # attention is done again
        trine_json("compress", MODEL, self.folder / "fresh", *changed)
        self.assertEqual(contents(self.target), contents(self.folder / "fresh"))

    def test_damaged_bytes_are_done_again(self) -> None:
        self.killed_after(20)
        shard = next(self.partial.glob("*.safetensors*"))
        raw = bytearray(shard.read_bytes())
        raw[len(raw) // 2] ^= 1
        shard.write_bytes(raw)
        done = finished(self.partial)
        report = self.resume(*OPTIONS)
        self.assertEqual(report["resumed_matrices"], done - 1)
        self.assertEqual(contents(self.target), self.whole)

    def test_a_journal_of_rubbish_is_no_danger(self) -> None:
        self.killed_after(10)
        journal = self.partial / "finished.jsonl"
        lines = journal.read_text().splitlines()
        stolen = json.loads(lines[1])
        stolen["pieces"][0]["file"] = "../../etc/passwd"
        journal.write_text("\n".join([lines[0], json.dumps(stolen), '{"matrix": 7', ""]))
        self.assertEqual(self.resume(*OPTIONS)["resumed_matrices"], 1)
        self.assertEqual(contents(self.target), self.whole)

    def test_without_resume_everything_is_done_again(self) -> None:
        self.killed_after(10)
        report = trine_json("compress", MODEL, self.target, *OPTIONS)
        self.assertEqual(report["resumed_matrices"], 0)
        self.assertEqual(contents(self.target), self.whole)

    def test_the_trace_is_whole_too(self) -> None:
        self.killed_after(10)
        trace = self.folder / "trace.csv"
        self.resume(*OPTIONS, "--trace", str(trace))
        self.assertEqual(trace.read_bytes(), Path(self.shared.name, "trace.csv").read_bytes())

    def test_nothing_to_resume_is_no_error(self) -> None:
        self.assertEqual(self.resume(*OPTIONS)["resumed_matrices"], 0)
        self.assertEqual(trine("verify", self.target).code, 0)


if __name__ == "__main__":
    unittest.main()
