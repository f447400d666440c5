#!/usr/bin/env python3
"""Writes tests/golden/<name>/: tiny random models and their logits.

    pip install -r tools/requirements-goldens.txt
    python3 tools/make_goldens.py            # all, or: make_goldens.py mixtral

Each folder is a complete checkpoint (config.json, weights) and golden.safetensors:

    token_ids       I32 [sequences, length]
    logits          F32 [sequences, length, vocab]
    router_choices  I32 [MoE layers, sequences, length, experts_per_token], ascending expert ids;
                    absent where no layer has a router
    growing_logits  F32 like logits, only where the rotary positions depend on how long the
                    sequence is: row p is the last row of a prefill of tokens 0 to p
    encoder_token_ids, encoder_router_choices: only where there is an encoder; token_ids are then
                    the decoder's

Two implementations compute every model from the weights as stored: transformers in fp32 with
eager attention, and the reference models (reference_*.py) in double precision. They must agree.
The logits are transformers', unless its rounding exceeds MAX_ROUNDING or the row of the golden
says why the reference model decides.

Seeds are searched until no router choice hangs on rounding (MIN_ROUTER_MARGIN) and every expert
is used, so that an implementation is either right to about 2e-5 or wrong. The models are the
rows in tools/goldens.
"""

import argparse
import sys
import tempfile
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from goldens import GOLDENS
from goldens.checkpoint import draw_weights, write_checkpoint
from goldens.golden import Golden, Tensors
from goldens.transformers_answer import transformers_answer
from reference_checkpoint import read_checkpoint
from reference_decoder import Forward
from reference_models import compute, compute_as_it_grows

TOOLS = Path(__file__).resolve().parent
GOLDEN = TOOLS.parent / "tests" / "golden"
REQUIREMENTS = TOOLS / "requirements-goldens.txt"

# The smallest of all tokens and layers:
MIN_ROUTER_MARGIN = 1e-3  # k-th minus (k+1)-th score
MIN_TOP1_MARGIN = 1e-2  # largest minus second largest logit
MAX_SEEDS = 3000

MAX_DIFFERENCE = 1e-4  # between the two implementations
MAX_ROUNDING = 2e-5  # of fp32, to be stored


class Answer(NamedTuple):
    """What the reference model computes, and how clearly."""

    forward: Forward
    growing_logits: np.ndarray | None
    router_margin: float
    top1_margin: float
    is_clear: bool


class Draw(NamedTuple):
    """The model and its input that one seed gives."""

    seed: int
    tensors: Tensors  # as stored
    token_ids: dict[str, torch.Tensor]


def draw(golden: Golden, seed: int) -> Draw:
    tensors = golden.to_disk(draw_weights(golden, seed))
    generator = torch.Generator().manual_seed(seed)
    token_ids = {}
    for name, length in (
        ("token_ids", golden.length),
        ("encoder_token_ids", golden.encoder_length),
    ):
        if length:
            size, vocab = (golden.sequences, length), golden.config["vocab_size"]
            token_ids[name] = torch.randint(vocab, size, generator=generator, dtype=torch.int32)
    return Draw(seed, tensors, token_ids)


def ask_reference(golden: Golden, config: dict, drawn: Draw) -> Answer:
    with tempfile.TemporaryDirectory() as scratch:  # from the file, as everyone else
        write_checkpoint(config, drawn.tensors, Path(scratch))
        config, weights = read_checkpoint(Path(scratch))
    token_ids = {name: ids.numpy() for name, ids in drawn.token_ids.items()}
    forward = compute(config, weights, token_ids)
    router_margin, growing = forward.router_margin, None
    layers = [*forward.router_choices, *forward.encoder_router_choices]
    logits = forward.logits
    is_clear = all(len(np.unique(layer)) == forward.num_experts for layer in layers)
    if golden.looks_at_length:
        growing, margin = compute_as_it_grows(config, weights, **token_ids)
        router_margin = min(router_margin, margin)
        logits = np.stack([logits, growing])
    ranked = np.partition(logits, -2, axis=-1)
    top1_margin = (ranked[..., -1] - ranked[..., -2]).min()
    is_clear &= router_margin > MIN_ROUTER_MARGIN and top1_margin > MIN_TOP1_MARGIN
    return Answer(forward, growing, router_margin, top1_margin, is_clear)


def make(golden: Golden, root: Path) -> None:
    for seed in range(MAX_SEEDS):
        drawn = draw(golden, seed)
        answer = ask_reference(golden, golden.config, drawn)
        if answer.is_clear:
            break
    else:
        sys.exit(f"{golden.name}: no clear seed below {MAX_SEEDS}")
    logits, verdict = decide(golden, drawn, answer)
    tensors = drawn.token_ids | {"logits": logits}
    forward = answer.forward
    if forward.router_choices:
        tensors["router_choices"] = stacked(forward.router_choices)
    if forward.encoder_router_choices:
        tensors["encoder_router_choices"] = stacked(forward.encoder_router_choices)
    if answer.growing_logits is not None:
        tensors["growing_logits"] = torch.from_numpy(answer.growing_logits).float()
    folder = root / golden.name
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(golden.config, drawn.tensors, folder, golden.num_files)
    save_file(tensors, folder / "golden.safetensors", {"format": "pt"})
    (folder / "README.md").write_text(readme(golden, drawn.seed, answer, verdict))
    for file in folder.iterdir():
        file.chmod(0o644)
    print(f"{golden.name}: seed {seed}, router margin {answer.router_margin:.2g}; {verdict}")


def stacked(layers: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(layers).astype(np.int32))


def decide(golden: Golden, drawn: Draw, answer: Answer) -> tuple[torch.Tensor, str]:
    """The logits to store, and a sentence on where they come from."""
    config = golden.config | golden.agree_on
    theirs = transformers_answer(
        golden, *golden.for_transformers(config, drawn.tensors), drawn.token_ids
    )
    reference = answer.forward.logits
    compared = ask_reference(golden, config, drawn) if golden.agree_on else answer
    difference = np.abs(theirs.logits.numpy() - compared.forward.logits).max()
    if theirs.growing_logits is not None:
        growing = np.abs(theirs.growing_logits.numpy() - compared.growing_logits).max()
        difference = max(difference, growing)
    if not difference <= MAX_DIFFERENCE:
        sys.exit(f"{golden.name}: transformers and the reference differ by {difference:.2e}")
    ours = torch.from_numpy(reference).float()
    agreement = f"transformers and the reference model differ by {difference:.2e}"
    if golden.agree_on:
        apart, changed = np.abs(theirs.logits.numpy() - reference).max(), ", ".join(golden.agree_on)
        agreement = (
            f"with {changed} set so that both mean the same, {agreement}; as stored, transformers' "
            f"logits would be off by {apart:.2e}"
        )
    if golden.reference_decides:
        return ours, f"the reference model decides: {golden.reference_decides}; {agreement}"
    if difference > MAX_ROUNDING:
        return ours, f"{agreement}, which is rounding; stored are the reference model's"
    return theirs.logits, f"{agreement}; stored are transformers'"


def readme(golden: Golden, seed: int, answer: Answer, verdict: str) -> str:
    logits = answer.forward.logits
    pins = ", ".join(f"{name} {pin}" for name, pin in pinned_versions().items())
    facts = [
        f"Odd about it: {golden.odd}.",
        f"Logits: standard deviation {logits.std():.2f}, largest magnitude "
        f"{np.abs(logits).max():.2f}.",
    ]
    if answer.forward.router_choices:
        facts.append(f"Smallest router margin (chosen minus refused): {answer.router_margin:.2e}.")
    facts += [
        f"Smallest top-1 margin (best minus second logit): {answer.top1_margin:.2e}.",
        f"Whose logits: {verdict}.",
        f"Versions: {pins}.",
        f"Second opinion: `python3 tools/check_goldens.py tests/golden/{golden.name}`.",
    ]
    lines = [textwrap.fill(f"* {fact}", 96, subsequent_indent="  ") for fact in facts]
    return f"""# {golden.name}

A random model and its logits; written by `python3 tools/make_goldens.py {golden.name}`
(seed {seed}), fp32, eager attention.

""" + "\n".join(lines) + "\n"


def pinned_versions() -> dict[str, str]:
    lines = REQUIREMENTS.read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="goldens to write; all if none is named")
    parser.add_argument("--out", type=Path, default=GOLDEN, help="folder of the goldens")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {golden.name for golden in GOLDENS}
    if unknown:
        parser.error(f"no such golden: {', '.join(sorted(unknown))}")
    disable_progress_bar()
    set_verbosity_error()
    torch.set_num_threads(1)
    for package, pin in pinned_versions().items():
        if version(package) != pin:
            sys.exit(f"{package} is {version(package)}; goldens are written with {pin}")
    for golden in GOLDENS:
        if not arguments.names or golden.name in arguments.names:
            make(golden, arguments.out)


if __name__ == "__main__":
    main()
