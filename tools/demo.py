#!/usr/bin/env python3
"""Compresses the model in models/tiny-mixtral and shows what it cost. Run by ./dev demo.

Standard library only; every figure comes from the program's own --json output.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAM = Path("build/release/trine")
MODEL = Path("models/tiny-mixtral")
TEXT = MODEL / "sample.txt"
WINDOW = "256"  # the model's context
OUTPUT = Path("build/demo")
PRESETS = {"RTN-3": "rtn-3bit", "HQQ-3": "hqq-3bit"}
PROMPT = "The old man looked at the sea, and"


def trine(*arguments: str | Path) -> dict:
    """One command's JSON. A failure shows the program's own sentence."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    result = json.loads(done.stdout)
    if done.returncode != 0:
        sys.exit(f"trine {' '.join(map(str, arguments))}: {result['error']['message']}")
    return result


def evaluate(model: Path, *more: str | Path) -> dict:
    return trine("eval", model, "--text", TEXT, "--window", WINDOW, *more)


def row(name: str, bits: float, stored_bytes: int, scores: dict) -> str:
    divergence = agreement = "–"
    if "kl_divergence" in scores:
        divergence = f"{scores['kl_divergence']:.4f} ± {scores['kl_divergence_stderr']:.4f}"
        agreement = f"{100 * scores['top1_agreement']:.1f} %"
    perplexity = f"{scores['perplexity']:.2f} ± {scores['perplexity_stderr']:.2f}"
    return (
        f"{name:<9} {bits:>15.3f} {stored_bytes / 1e6:>9.2f} MB {perplexity:>15}"
        f" {divergence:>17} {agreement:>16}"
    )


def main() -> None:
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    original = trine("inspect", MODEL)
    rows = [row("original", 16, original["stored_bytes"], evaluate(MODEL))]
    for name, preset in PRESETS.items():
        packed = OUTPUT / preset
        report = trine("compress", MODEL, packed, "--preset", preset)
        scores = evaluate(packed, "--reference", MODEL)
        rows.append(row(name, report["bits_per_weight"], report["stored_bytes"], scores))

    print(f"\n{MODEL} on {TEXT}, disjoint windows of {WINDOW} tokens, ± one standard error\n")
    print(
        f"{'model':<9} {'bits per weight':>15} {'size':>12} {'perplexity':>15}"
        f" {'KL to original':>17} {'top-1 agreement':>16}"
    )
    print("\n".join(rows))
    print(
        "\nBits per weight count every stored byte of attention and experts: codes, scales, zeros."
        "\nThe size is the whole model, with embeddings, head, routers and norms in 16 bits.\n"
    )
    text = trine(
        "generate", OUTPUT / "hqq-3bit", "--prompt", PROMPT,
        "--max-tokens", "80", "--temperature", "0.8", "--top-p", "0.95", "--seed", "3",
    )["text"]  # fmt: skip
    print(f"The 3-bit model writes:\n\n{PROMPT}{text}\n")


if __name__ == "__main__":
    main()
