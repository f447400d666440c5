#!/usr/bin/env python3
"""Tests of tools/check_*.py: each rule catches one planted violation and passes clean code.

Every test writes a small tree into a temporary folder and runs the real program on it.
"""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"

CLEAN = {
    "README.md": "Run `./dev demo`, read `src/core/model.h`.\n\n```sh\ntrine inspect m\n```\n",
    "dev": 'case "$1" in\n  demo) echo demo ;;\n  build | test)\n    make ;;\nesac\n',
    "include/trine/result.h": "#include <cstddef>\n#include <tl/expected.hpp>\n",
    "src/base/files.h": "#include <cstdio>\n",
    "src/core/model.h": '// #include "api/x.h"\n#include "base/files.h"\n',
    "src/core/CMakeLists.txt": "# rooms\ntrine_room(core DEPENDS base)\n",
    "src/kernels/linalg/svd.cpp": '#include <lapacke.h>\n#include "core/model.h"\n',
    "src/kernels/cuda/matvec.cu": "#include <cuda_runtime.h>\n",
    "src/api/engine.cpp": '#include <trine/result.h>\n#include "core/model.h"\n',
    "src/cli/commands.cpp": 'constexpr Row kRows[] = {\n    {"inspect", run_inspect},\n};\n',
    "src/models/families/mixtral.cpp": "int w1 = 0;\n",
}


class ChecksTest(unittest.TestCase):
    def run_check(self, name: str, files: dict[str, str]) -> tuple[int, str]:
        """Exit code and output of one check on the clean tree changed by `files`."""
        with tempfile.TemporaryDirectory() as folder:
            for path, text in {**CLEAN, **files}.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            program = [sys.executable, TOOLS / f"check_{name}.py", "--root", folder]
            done = subprocess.run(program, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def assert_finds(self, name: str, path: str, text: str, *expected: str) -> None:
        """Exactly the expected lines, each given without its path, and exit code 1."""
        lines = "".join(f"{path}:{line}\n" for line in expected)
        self.assertEqual(self.run_check(name, {path: text}), (1, lines))

    def assert_clean(self, name: str, files: dict[str, str]) -> None:
        code, output = self.run_check(name, files)
        self.assertEqual(code, 0, output)
        self.assertRegex(output, r"\Aok: .+\n\Z")


class CleanTree(ChecksTest):
    def test_every_check_passes(self):
        for name in ("layers", "includes", "sizes", "names", "docs"):
            with self.subTest(name):
                self.assert_clean(name, {})


class Layers(ChecksTest):
    def test_upward_include(self):
        self.assert_finds(
            "layers", "src/base/a.cpp", '\n#include "core/model.h"\n',
            "2: upward include: base (level 0) may not include core (level 1)",
        )  # fmt: skip

    def test_sideways_include(self):
        self.assert_finds(
            "layers", "src/packed/a.cpp", '#include "runtime/engine.h"\n',
            "1: sideways include: packed (level 3) may not include runtime (level 3)",
        )  # fmt: skip

    def test_doors_see_only_the_public_headers(self):
        for path in ("src/cli/a.cpp", "src/server/a.cpp", "python/a.cpp"):
            door = path.split("/")[-2]
            self.assert_finds(
                "layers", path, '#include "api/engine.h"\n',
                f"1: {door} is a door: reach 'api/engine.h' through <trine/...>",
            )  # fmt: skip

    def test_python_has_no_way_around_the_public_headers(self):
        self.assert_clean("layers", {"python/native/a.cpp": '#include "fields.h"\n'})
        self.assert_finds(
            "layers", "python/native/a.cpp", '#include "../../src/api/engine.h"\n',
            "1: python is a door: reach '../../src/api/engine.h' through <trine/...>",
        )  # fmt: skip

    def test_quoted_include_outside_the_rooms(self):
        self.assert_finds(
            "layers", "src/core/a.cpp", '#include "model.h"\n#include "trine/result.h"\n',
            "1: 'model.h' does not start with a room of src/",
            "2: 'trine/result.h' does not start with a room of src/; write <trine/...>",
        )  # fmt: skip

    def test_room_in_angle_brackets(self):
        self.assert_finds(
            "layers", "src/base/a.cpp", "#include <core/model.h>\n",
            "1: 'core/model.h' is a room of this project; include it with quotes",
        )  # fmt: skip

    def test_public_header_with_a_library(self):
        rule = (
            "a public header includes only the standard library, <trine/...> and "
            "<tl/expected.hpp>"
        )
        self.assert_finds(
            "layers", "include/trine/a.h", '#include <fmt/core.h>\n#include "base/files.h"\n',
            f"1: {rule}, not 'fmt/core.h'",
            f"2: {rule}, not 'base/files.h'",
        )  # fmt: skip

    def test_folder_without_a_level(self):
        self.assert_finds(
            "layers", "src/attic/a.h", "", "1: src/attic is no room; give it a level or a home"
        )
        self.assert_finds(
            "layers", "src/a.cpp", "", "1: a source file lives in a room, not directly in src/"
        )

    def test_walled_libraries(self):
        self.assert_finds(
            "layers", "src/runtime/a.cpp", "#include <cuda_fp16.h>\n#include <cblas.h>\n",
            "1: CUDA header 'cuda_fp16.h' belongs behind src/kernels/cuda/",
            "2: BLAS and LAPACK header 'cblas.h' belongs behind src/kernels/linalg/",
        )  # fmt: skip

    def test_room_call_with_a_higher_and_an_unknown_room(self):
        self.assert_finds(
            "layers", "src/core/CMakeLists.txt",
            "\ntrine_room(core DEPENDS base models attic LIBRARIES fmt::fmt)\n",
            "2: trine_room lists 'attic', which is no room",
            "2: trine_room: core (level 1) may not depend on models (level 2)",
        )  # fmt: skip

    def test_room_call_that_forgets_a_room(self):
        self.assert_finds(
            "layers", "src/core/CMakeLists.txt", "trine_room(core LIBRARIES base)\n",
            "1: core includes base, which DEPENDS does not list",
        )  # fmt: skip

    def test_room_call_in_the_wrong_folder(self):
        self.assert_finds(
            "layers", "src/core/CMakeLists.txt", "trine_room(input DEPENDS base)\n",
            "1: trine_room names 'input' in the folder of 'core'",
        )  # fmt: skip


class Includes(ChecksTest):
    def test_names_of_libraries(self):
        self.assert_finds(
            "includes", "src/base/a.cpp",
            "#include <vector>\nstd::vector<int> a;\nstd::string b;  // std::map\n"
            'auto c = fmt::format("std::set");\nnamespace fs = std::filesystem;\n',
            "3: std::string: include <string>",
            "4: fmt::format: include <fmt/format.h>",
            "5: std::filesystem: include <filesystem>",
        )  # fmt: skip

    def test_names_of_ours(self):
        header = (
            "namespace trine {\nstruct Shape {\n  enum Kind { kFlat };\n};\n"
            "inline constexpr int kMostRows = 3;\n[[nodiscard]] Shape shape_of(int rows);\n}\n"
        )
        user = "auto a = trine::shape_of(kMostRows);\nShape b;\n"
        files = {"src/base/shape.h": header, "src/core/a.cpp": user}
        self.assertEqual(
            self.run_check("includes", files),
            (
                1,
                'src/core/a.cpp:1: kMostRows: include "base/shape.h"\n'
                'src/core/a.cpp:1: shape_of: include "base/shape.h"\n'
                'src/core/a.cpp:2: Shape: include "base/shape.h"\n',
            ),
        )
        through = {"src/base/more.h": '#include "base/shape.h"\n'}
        self.assert_clean(
            "includes", files | through | {"src/core/a.cpp": '#include "base/more.h"\n' + user}
        )

    def test_what_is_not_of_the_header(self):
        header = "class Range {\n};\nconstexpr int kNever = 1;\nint length(int);\n"
        self.assert_clean("includes", {"src/core/range.h": header, "src/core/a.cpp": (
            "enum class When { kNever };\nauto a = When::kNever;\nCLI::Range b;\n"
            "const auto length = [] { return 1; };\nint c = length() + text.length();\n"
        )})  # fmt: skip


class Sizes(ChecksTest):
    def test_files_and_headers(self):
        for path, limit in (("src/a/a.cpp", 800), ("tools/a.py", 800), ("src/a/a.h", 400)):
            self.assert_clean("sizes", {path: "\n" * limit})
            self.assert_finds(
                "sizes", path, "\n" * (limit + 1),
                f"{limit + 1}: {limit + 1} lines; the limit here is {limit}",
            )  # fmt: skip

    def test_long_functions_of_every_form(self):
        heads = {
            "sum": "namespace trine {\nint sum(int a) noexcept {",
            "Matrix::Matrix": "Matrix::Matrix(int a) : rows_{a}, columns_(a) {",
            "rows": "class Matrix : Base<int> {\n public:\n  int rows() const final {",
            "largest": "template <typename T = int>\nauto largest(T a) -> std::vector<T> {",
            "dot": '__attribute__((target("avx2"))) float dot(const float* a) {',
            "TEST": "TEST(Matrix, HasRows) {",
            "read": "Result<int> read(Options options = {}) {",
            "a lambda or operator": "bool operator==(const A& a) const {",
        }
        for name, head in heads.items():
            line = head.count("\n") + 1
            with self.subTest(name):
                self.assert_clean("sizes", {"src/core/a.cpp": head + "\n" * 99 + "}\n"})
                self.assert_finds(
                    "sizes", "src/core/a.cpp", head + "\n" * 100 + "}\n",
                    f"{line}: {name} has 101 lines; the limit is 100",
                )  # fmt: skip

    def test_what_is_long_but_no_function(self):
        body = "\n" * 150
        for code in (
            "namespace trine::core {%s}",
            "struct Table : Base {%s};",
            "template <typename T>\nclass Table final {%s};",
            "enum class Kind : int {%s};",
            "constexpr std::array<Row, 3> kRows = {%s};",
            "const Row kRows[] = {%s};",
            "const std::map<int, std::function<int(int)>> kRows = {%s};",
            'extern "C" {%s}',
            'int f() { return 1; }\n/* int g() { */ const char* kText = "int h() {";%s',
        ):
            with self.subTest(code):
                self.assert_clean("sizes", {"src/core/a.cpp": code.replace("%s", body)})

    def test_long_python_function(self):
        text = "def read():\n" + "    print()\n" * 100
        self.assert_finds(
            "sizes", "tools/a.py", text, "1: read has 101 lines; the limit is 100"
        )

    def test_parameters_that_must_be_named_do_not_count(self):
        self.assert_clean("sizes", {"python/a.py": "def f(a, *, b, c, d, e, f, g, h):\n    0\n"})
        self.assert_finds(
            "sizes", "python/a.py", "def f(a, b, c, d, e, f, g, h):\n    0\n",
            "1: f takes 8 parameters; make a struct",
        )  # fmt: skip

    def test_too_many_parameters(self):
        seven = "int f(int a, std::map<int, int> b, int c, int d, int e, int g, int h) {}\n"
        self.assert_clean("sizes", {"src/core/a.cpp": seven})
        self.assert_finds(
            "sizes", "src/core/a.cpp", seven.replace("int h", "int h, int i"),
            "1: f takes 8 parameters; make a struct",
        )  # fmt: skip


class Names(ChecksTest):
    def test_glossary_in_cpp(self):
        for name, word, instead in (
            ("nbit", "nbit", "bits"),
            ("row_zp_", "zp", "zeros"),
            ("ZeroPoint", "zero_point", "zeros"),
            ("LoRA", "lora", "LowRankFactors"),
            ("kLoraRank", "lora", "LowRankFactors"),
            ("ppl", "ppl", "perplexity"),
            ("w1", "w1", "gate_proj"),
        ):
            with self.subTest(name):
                self.assert_finds(
                    "names", "src/core/a.cpp", f"\nint {name} = 0;\n",
                    f"2: '{name}': write {instead}, not {word}",
                )  # fmt: skip

    def test_glossary_in_python(self):
        self.assert_finds(
            "names", "python/a.py", "'tps'\ntps = 1\n",
            "2: 'tps': write tokens_per_second, not tps",
        )  # fmt: skip

    def test_text_config_fields_and_parts_of_words_are_free(self):
        code = '// zp\nauto a = "w1";\nint q_lora_rank, exploration, https, w10, top_k;\n'
        raw = 'auto b = R"(int zp;)";\nint c = 1\'000, d = 2\'000;\nchar e = \'"\'; /* ppl */\n'
        self.assert_clean("names", {"src/core/a.cpp": code + raw})

    def test_names_of_files(self):
        self.assert_finds(
            "names", "src/core/ModelSpec.h", "",
            "1: 'ModelSpec.h': files and folders are snake_case",
        )  # fmt: skip
        self.assert_finds(
            "names", "tests/core/string_utils.h", "",
            "1: 'string_utils.h': say what it holds, not utils",
        )  # fmt: skip
        self.assert_finds(
            "names", "src/common/a.h", "", "1: 'common': say what it holds, not common"
        )


class Docs(ChecksTest):
    def test_dead_path(self):
        self.assert_finds(
            "docs", "docs/a.md", "`src/core/gone.h:12`, `tests/gone/*.cpp` and `GONE.md`.\n",
            "1: 'GONE.md' does not exist",
            "1: 'src/core/gone.h' does not exist",
            "1: 'tests/gone/*.cpp' does not exist",
        )  # fmt: skip

    def test_dead_link(self):
        self.assert_finds(
            "docs", "docs/a.md", "\n[spec](format.md#top) [home](../README.md)\n",
            "2: link to 'format.md#top': 'docs/format.md' does not exist",
        )  # fmt: skip

    def test_unknown_dev_command(self):
        self.assert_finds(
            "docs", "docs/a.md", "`./dev dance` `./dev build|sing`\n\n```\n./dev fly\n```\n",
            "1: './dev dance' is no command of the dev script",
            "1: './dev sing' is no command of the dev script",
            "4: './dev fly' is no command of the dev script",
        )  # fmt: skip

    def test_unknown_trine_command(self):
        self.assert_finds(
            "docs", "docs/a.md", "`trine guess M`\n```sh\n$ build/release/trine dream\n```\n",
            "1: 'trine guess' is no command in src/cli/commands.cpp",
            "3: 'trine dream' is no command in src/cli/commands.cpp",
        )  # fmt: skip

    def test_what_is_no_claim(self):
        text = (
            "trine makes `config.json` small; `src/<room>/x.cpp`, `src/*/model.h`, `in/out`,\n"
            "`core/model.h`, `build/release/trine`, `src/core/`, `./dev test`,\n"
            "`trine inspect m` or prose: use ./dev nonsense\n"
            "[site](https://example.org/src/gone) [here](#top) `include/trine/{a,b}.h`\n"
        )
        self.assert_clean("docs", {"docs/a.md": text})


class InGit(ChecksTest):
    def test_ignored_files_are_not_there(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            subprocess.run(["git", "init", "-q", folder], check=True)
            (root / ".gitignore").write_text("src/base/generated.h\n")
            (root / "src/base").mkdir(parents=True)
            (root / "src/base/generated.h").write_text('#include "api/x.h"\n')
            program = [sys.executable, TOOLS / "check_layers.py", "--root", folder]
            self.assertEqual(subprocess.run(program, capture_output=True).returncode, 0)
            (root / ".gitignore").write_text("")
            self.assertEqual(subprocess.run(program, capture_output=True).returncode, 1)


if __name__ == "__main__":
    unittest.main()
