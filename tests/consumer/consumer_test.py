#!/usr/bin/env python3
"""A project of somebody else finds Trine installed, or has it as a folder of its own."""

import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONSUMER = ROOT / "tests/consumer"
RELEASE = ROOT / "build/release"
MODEL = ROOT / "models/tiny-mixtral"


def run(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class ConsumerTest(unittest.TestCase):
    def build_and_run(self, build: Path, *definitions: str) -> None:
        run(
            "cmake", "-S", CONSUMER, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
            *definitions,
        )  # fmt: skip
        run("ninja", "-C", build, "--quiet")
        self.assertRegex(run(build / "consumer", MODEL), r"^trine \d+\.\d+\.\d+: mixtral\n$")
        done = subprocess.run([build / "consumer", "/nowhere"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"^not_found: /nowhere: ")

    def run_examples(self, build: Path, folder: Path) -> None:
        text = folder / "text.txt"
        text.write_text((MODEL / "sample.txt").read_text(encoding="utf-8")[:3000], encoding="utf-8")
        packed, plan = folder / "packed", folder / "plan.json"
        self.assertIn("mixtral, 15.5 million parameters", run(build / "example_inspect", MODEL))
        self.assertRegex(
            run(build / "example_compress", MODEL, packed, "rtn-3bit"), r" 3\.500 bits per weight"
        )
        self.assertIn(
            "KL to the original", run(build / "example_perplexity", packed, text, MODEL)
        )
        self.assertRegex(
            run(build / "example_generate", packed, "The old house"),
            r"(?s)^most likely token: '.+'\nThe old house.+\n$",
        )
        # Of a model so small that measuring every choice takes no time.
        self.assertRegex(
            run(build / "example_plan", ROOT / "tests/golden/mixtral", "6.0", plan),
            r"(?m)^[56]\.\d+ bits per weight, \d+ bytes in all$",
        )
        self.assertIn('"matrices"', plan.read_text(encoding="utf-8"))

    def test_found_where_it_was_installed(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prefix = folder / "prefix"
            run("cmake", "--install", RELEASE, "--prefix", prefix)
            installed = {str(f.relative_to(prefix)) for f in prefix.rglob("*") if f.is_file()}
            self.assertIn("bin/trine", installed)
            self.assertIn("include/trine/trine.h", installed)
            headers = {f for f in installed if f.startswith("include/")}
            self.assertTrue(all(f.startswith("include/trine/") for f in headers), headers)
            self.build_and_run(
                folder / "build",
                f"-DCMAKE_PREFIX_PATH={prefix}",
                f"-DEXAMPLES={ROOT / 'examples'}",
                # Warnings that Trine's own headers must not cause.
                "-DCMAKE_CXX_FLAGS=-Wall -Werror",
            )
            self.run_examples(folder / "build", folder)

    def test_a_folder_of_the_project(self):
        # Two folders deep and with the same flags, as the release build: ccache then knows every
        # object.
        self.build_and_run(
            ROOT / "build/consumer", f"-DTRINE_SOURCE={ROOT}", "-DTRINE_WERROR=ON"
        )


if __name__ == "__main__":
    unittest.main()
