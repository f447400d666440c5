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
# MiLo with the published ranks scaled to this model's size takes 2 % more bytes than the others.
METHODS = {
    "RTN": ("--preset", "rtn-3bit"),
    "HQQ": ("--preset", "hqq-3bit"),
    "MiLo": ("--preset", "milo-s1", "--rank-scale", "0.0625"),
    "Trine": ("--bits-per-weight", "3.5"),
}
BEST = "Trine"
INITIAL_ROUTERS = MODEL / "router_init.safetensors"
PROMPT = "The old man looked at the sea, and"


def trine(*arguments: str | Path) -> dict:
    """One command's JSON. A failure shows the program's own sentence, progress goes through."""
    done = subprocess.run([PROGRAM, *map(str, arguments), "--json"], stdout=subprocess.PIPE)
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
    trace = OUTPUT / "trace.csv"
    for name, options in METHODS.items():
        packed = OUTPUT / name.lower()
        if name == BEST:
            print("Measuring what every treatment would do to every matrix (some minutes)")
        report = trine("compress", MODEL, packed, *options, "--trace", trace)
        scores = evaluate(packed, "--reference", MODEL)
        rows.append(row(name, report["bits_per_weight"], report["stored_bytes"], scores))
    page = OUTPUT / "report.html"
    trine(
        "inspect", OUTPUT / BEST.lower(), "--html", page, "--reference", MODEL, "--text", TEXT,
        "--window", WINDOW, "--trace", trace, "--init-checkpoint", INITIAL_ROUTERS,
    )  # fmt: skip

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
        "generate", OUTPUT / BEST.lower(), "--prompt", PROMPT,
        "--max-tokens", "80", "--temperature", "0.8", "--top-p", "0.95", "--seed", "3",
    )["text"]  # fmt: skip
    print(f"{BEST}'s model writes:\n\n{PROMPT}{text}\n")
    print(f"Where the bytes went: {page}")


if __name__ == "__main__":
    main()
