#!/usr/bin/env python3
"""How much of the code that reads strangers' files the tests run: a table of lines, file by file.

    python3 tools/reader_coverage.py build/coverage

`./dev coverage` calls this after the tests of the preset `coverage` (clang's source-based coverage)
left their counts in build/coverage/profiles. Lines without code are not counted. Ends with 1 when
a file is below the wanted share. Needs llvm-profdata and llvm-cov; standard library only.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WANTED = 0.90

READERS = {
    "safetensors": ["src/base/mapped_file.cpp", "src/base/safetensors_file.cpp",
                    "src/base/safetensors_header.cpp", "src/base/safetensors_index.cpp",
                    "src/base/safetensors_shards.cpp"],
    "JSON": ["src/base/json.cpp"],
    "config.json": ["src/models/config_reading.cpp", "src/models/generation_config.cpp",
                    "src/models/layer_building.cpp", "src/models/quantization_config.cpp",
                    "src/models/registry.cpp", "src/models/rope_scaling.cpp",
                    "src/models/families/*.cpp"],
    "original checkpoint": ["src/checkpoint/*.cpp", "src/models/stored_weights.cpp"],
    "tokenizer.json": ["src/input/added_tokens.cpp", "src/input/json_part.cpp",
                       "src/input/json_tokenizer.cpp", "src/input/open_tokenizer.cpp",
                       "src/input/part_kinds.cpp", "src/input/regex*.cpp",
                       "src/input/tokenizer_config.cpp", "src/input/vocabulary.cpp",
                       "src/input/decoders/*.cpp", "src/input/normalizers/*.cpp",
                       "src/input/post_processors/*.cpp", "src/input/pre_tokenizers/*.cpp",
                       "src/input/token_models/*.cpp"],
    "tokenizer.model": ["src/input/charsmap_guard.cpp", "src/input/sentencepiece_guard.cpp",
                        "src/input/sentencepiece_tokenizer.cpp", "src/input/wire_format.cpp"],
    "packed model": ["src/packed/manifest.cpp", "src/packed/packed_model.cpp"],
}  # fmt: skip


class Lines(NamedTuple):
    total: int
    covered: int
    regions: int  # stretches of code without a branch: one line may hold several
    covered_regions: int

    @property
    def share(self) -> float:
        return self.covered / self.total if self.total else 1.0

    def row(self, name: str) -> str:
        return f"| {name} | {self.total} | {self.covered} | {100 * self.share:.1f} % |"


def llvm(tool: str) -> str:
    found = shutil.which(tool) or shutil.which(f"{tool}-14")
    if found is None:
        sys.exit(f"{tool} is missing; ./dev coverage installs it")
    return found


def measure(build: Path) -> dict[str, Lines]:
    """Lines of every source file that some program of `build` was made of."""
    profile = build / "counts.profdata"
    profiles = sorted(map(str, (build / "profiles").glob("*.profraw")))
    if not profiles:
        sys.exit(f"{build}/profiles is empty: run the tests first, as ./dev coverage does")
    subprocess.run([llvm("llvm-profdata"), "merge", "-sparse", *profiles, "-o", profile], check=True)
    programs = sorted([*build.glob("*_tests"), *build.glob("*_corpus"), build / "trine"])
    objects = [part for program in programs for part in ("-object", str(program))]
    export = subprocess.run(
        [llvm("llvm-cov"), "export", "-summary-only", f"-instr-profile={profile}", *objects[1:]],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    lines = {}
    for file in json.loads(export.stdout)["data"][0]["files"]:
        path = Path(file["filename"])
        if path.is_relative_to(ROOT):
            counts = [file["summary"][kind] for kind in ("lines", "regions")]
            name = path.relative_to(ROOT).as_posix()
            lines[name] = Lines(*(count[key] for count in counts for key in ("count", "covered")))
    return lines


def main() -> None:
    measured = measure(Path(sys.argv[1]).resolve())
    print("| file | lines | covered | share |\n|---|--:|--:|--:|")
    every: list[tuple[str, Lines]] = []
    for reader, patterns in READERS.items():
        paths = sorted({p.relative_to(ROOT).as_posix() for q in patterns for p in ROOT.glob(q)})
        rows = [(path, measured[path]) for path in paths if path in measured]
        print(add_up([lines for _, lines in rows]).row(f"**{reader}**"))
        for path, lines in rows:
            print(lines.row(f"`{path}`"))
        every += rows
    total = add_up([lines for _, lines in every])
    print(total.row("**total**"))
    low = [path for path, lines in every if lines.share < WANTED]
    lowest, lines = min(every, key=lambda row: row[1].share)
    print(f"\nRegions: {total.covered_regions} of {total.regions}, "
          f"{100 * total.covered_regions / total.regions:.1f} %.")  # fmt: skip
    print(f"Lowest: {100 * lines.share:.1f} % ({lowest}). Below {100 * WANTED:.0f} %: "
          f"{', '.join(low) or 'none'}.")  # fmt: skip
    sys.exit(1 if low else 0)


def add_up(parts: list[Lines]) -> Lines:
    return Lines(*map(sum, zip(*parts)))


if __name__ == "__main__":
    main()
