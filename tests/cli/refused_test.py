"""Every file of tests/golden/refused is refused with its named error and exit code 1, by the
program built with AddressSanitizer and UndefinedBehaviorSanitizer."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from program import ROOT, trine_json

REFUSED = ROOT / "tests/golden/refused"
GOOD = ROOT / "tests/golden/mixtral"
SANITIZED = Path(os.environ.get("TRINE_PROGRAM", ROOT / "build/dev/trine"))


class Refused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.packed = cls.folder / "packed"
        trine_json("compress", GOOD, cls.packed)

    def make_model(self, file: Path, replaces: str) -> Path:
        """A good model with one file replaced; a manifest only replaces the keys it names."""
        model = self.folder / file.stem
        if replaces == "trine.json":
            shutil.copytree(self.packed, model)
            manifest = json.loads((model / replaces).read_text()) | json.loads(file.read_text())
            kept = {key: value for key, value in manifest.items() if value is not None}
            (model / replaces).write_text(json.dumps(kept))
            return model
        shutil.copytree(GOOD, model)
        if replaces == "model.safetensors.index.json":
            (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
        shutil.copy(file, model / replaces)
        return model

    def test_every_file(self):
        expected = json.loads((REFUSED / "expected.json").read_text())
        files = {path.name for path in REFUSED.iterdir()} - {"expected.json"}
        self.assertEqual(files, set(expected))
        self.assertGreaterEqual(len(files), 60)
        for name, wanted in expected.items():
            with self.subTest(name):
                model = self.make_model(REFUSED / name, wanted["replaces"])
                done = subprocess.run(
                    [SANITIZED, "verify", model, "--json"], capture_output=True, text=True
                )
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                error = json.loads(done.stdout)["error"]
                self.assertEqual(error["code"], wanted["code"], error)
                for word in wanted["words"]:
                    self.assertIn(word, error["message"])
                shutil.rmtree(model)


if __name__ == "__main__":
    unittest.main()
