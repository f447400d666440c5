#!/usr/bin/env python3
"""A second opinion on tests/golden by the reference models, with NumPy only.

    python3 tools/check_goldens.py                       # all, or: ... tests/golden/mixtral

Prints the largest difference to the golden logits of each folder; exit code 1 above TOLERANCE
or if a router chooses other experts.
"""

import sys
from pathlib import Path

import numpy as np

from reference_checkpoint import read_checkpoint, read_safetensors
from reference_models import compute, compute_as_it_grows

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
TOLERANCE = 1e-4  # the golden's own fp32 rounding reaches 2e-5; a wrong norm epsilon gives 0.3


def check(folder: Path) -> bool:
    config, weights = read_checkpoint(folder)
    golden = read_safetensors(folder / "golden.safetensors")
    token_ids = {name: golden[name] for name in golden if name.endswith("token_ids")}
    forward = compute(config, weights, token_ids)
    difference = np.abs(forward.logits - golden["logits"]).max()
    if "growing_logits" in golden:
        growing, _ = compute_as_it_grows(config, weights, **token_ids)
        difference = max(difference, np.abs(growing - golden["growing_logits"]).max())
    is_same_choice = all(
        np.array_equal(golden.get(name, []), choices)
        for name, choices in (
            ("router_choices", forward.router_choices),
            ("encoder_router_choices", forward.encoder_router_choices),
        )
    )
    verdict = "equal" if is_same_choice else "DIFFERENT"
    print(f"{folder.name}: largest difference {difference:.2e}, router choices {verdict}")
    return is_same_choice and difference <= TOLERANCE


def main() -> None:
    named = [Path(argument) for argument in sys.argv[1:]]
    folders = named or sorted(file.parent for file in GOLDEN.glob("*/golden.safetensors"))
    if not all([check(folder) for folder in folders]):
        sys.exit(f"not the same; the tolerance is {TOLERANCE}")


if __name__ == "__main__":
    main()
