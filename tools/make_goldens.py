#!/usr/bin/env python3
"""Writes tests/golden/<name>/: tiny random models and the logits transformers gives them.

    pip install -r tools/requirements-goldens.txt
    python3 tools/make_goldens.py            # all, or: make_goldens.py mixtral

Each folder is a complete checkpoint (config.json, weights) and golden.safetensors:

    token_ids       I32 [sequences, length]
    logits          F32 [sequences, length, vocab]
    router_choices  I32 [layers, sequences, length, experts_per_token], ascending expert ids

Everything is computed in fp32 with eager attention from the weights as stored. Seeds are
searched until no router choice hangs on rounding (MIN_ROUTER_MARGIN) and every expert is used,
so that an implementation is either right to about 2e-5 or wrong. The models are the rows of
golden_families.py.
"""

import argparse
import json
import sys
import tempfile
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

from golden_families import GOLDENS, Golden, Tensors

TOOLS = Path(__file__).resolve().parent
GOLDEN = TOOLS.parent / "tests" / "golden"
REQUIREMENTS = TOOLS / "requirements-goldens.txt"

# The smallest of all tokens and layers:
MIN_ROUTER_MARGIN = 1e-3  # k-th minus (k+1)-th probability
MIN_TOP1_MARGIN = 1e-2  # largest minus second largest logit
MAX_SEEDS = 1000

class Answer(NamedTuple):
    logits: torch.Tensor
    router_choices: torch.Tensor
    router_margin: float
    top1_margin: float
    uses_every_expert: bool

    def is_clear(self) -> bool:
        is_decided = (
            self.router_margin > MIN_ROUTER_MARGIN and self.top1_margin > MIN_TOP1_MARGIN
        )
        return is_decided and self.uses_every_expert


def draw_weights(shapes: dict[str, torch.Size], seed: int, storage: torch.dtype) -> Tensors:
    """Normal weights, large enough that logits are far from uniform and routers decided."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name in sorted(shapes):
        values = torch.randn(shapes[name], generator=generator)
        if values.dim() == 1:  # norms: around 1, but no two alike
            values = 1 + 0.1 * values
        elif "embed" in name or "lm_head" in name:
            values *= 0.5
        else:
            values *= (2.0 if "gate.weight" in name else 1.3) / shapes[name][-1] ** 0.5
        weights[name] = values.to(storage)
    return weights


def write_checkpoint(golden: Golden, weights: Tensors, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(golden.config(), indent=2) + "\n")
    if golden.num_files == 1:
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        return
    names, weight_map = sorted(weights), {}
    for index in range(golden.num_files):
        file = f"model-{index + 1:05}-of-{golden.num_files:05}.safetensors"
        chosen = names[index :: golden.num_files]
        save_file({n: weights[n] for n in chosen}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(chosen, file)
    total = sum(w.numel() * w.element_size() for w in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def shapes_on_disk(golden: Golden, folder: Path) -> dict[str, torch.Size]:
    (folder / "config.json").write_text(json.dumps(golden.config()))
    config = AutoConfig.from_pretrained(folder)
    tensors = golden.to_disk(AutoModelForCausalLM.from_config(config).state_dict())
    if config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    return {name: tensor.shape for name, tensor in tensors.items()}


def load(folder: Path) -> torch.nn.Module:
    """Reads our files back: transformers must find every tensor it wants and no other."""
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager",
        experts_implementation="eager", output_loading_info=True,
    )  # fmt: skip
    if any(report.values()):
        sys.exit(f"transformers does not accept our names: {report}")
    return model.eval()


@torch.no_grad()
def ask(golden: Golden, model: torch.nn.Module, token_ids: torch.Tensor) -> Answer:
    """One prefill of all sequences; routers are recomputed from the inputs they were given."""
    routers = [(n, m) for n, m in model.named_modules() if n.endswith(golden.router)]
    probabilities = {}

    def keep(name: str, module: torch.nn.Module, inputs: tuple, outputs: tuple) -> None:
        logits = inputs[0].reshape(-1, inputs[0].shape[-1]) @ module.weight.T
        probabilities[name] = logits.softmax(-1).reshape(*token_ids.shape, -1)

    hooks = [
        m.register_forward_hook(lambda *hooked, name=n: keep(name, *hooked)) for n, m in routers
    ]
    logits = model(token_ids.long(), use_cache=False).logits
    for hook in hooks:
        hook.remove()
    count = model.config.num_experts_per_tok
    ranked = torch.stack([probabilities[n] for n, _ in routers]).sort(dim=-1, descending=True)
    margin = ranked.values[..., count - 1] - ranked.values[..., count]
    best = logits.topk(2).values
    choices = ranked.indices[..., :count]
    return Answer(
        logits,
        choices.sort(-1).values.int(),
        margin.min().item(),
        (best[..., 0] - best[..., 1]).min().item(),
        all(len(layer.unique()) == ranked.values.shape[-1] for layer in choices),
    )


@torch.no_grad()
def check_answer(model: torch.nn.Module, token_ids: torch.Tensor, answer: Answer) -> None:
    """The same prefill gives the same bits; one token at a time gives the same numbers."""
    again = model(token_ids.long(), use_cache=False).logits
    cache, steps = None, []
    for position in range(token_ids.shape[1]):
        output = model(token_ids[:, position : position + 1].long(), past_key_values=cache)
        cache = output.past_key_values
        steps.append(output.logits)
    assert answer.logits.isfinite().all()
    assert torch.equal(again, answer.logits)
    assert (torch.cat(steps, dim=1) - answer.logits).abs().max() < 1e-4


def make(golden: Golden) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        shapes = shapes_on_disk(golden, Path(scratch))
        for seed in range(MAX_SEEDS):
            weights = draw_weights(shapes, seed, golden.storage)
            write_checkpoint(golden, weights, Path(scratch))
            generator = torch.Generator().manual_seed(seed)
            size = (golden.sequences, golden.length)
            vocab = golden.config()["vocab_size"]
            token_ids = torch.randint(vocab, size, generator=generator, dtype=torch.int32)
            model = load(Path(scratch))
            answer = ask(golden, model, token_ids)
            if answer.is_clear():
                break
        else:
            sys.exit(f"{golden.name}: no clear seed below {MAX_SEEDS}")
    check_answer(model, token_ids, answer)
    folder = GOLDEN / golden.name
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(golden, weights, folder)
    tensors = {
        "token_ids": token_ids,
        "logits": answer.logits,
        "router_choices": answer.router_choices,
    }
    save_file(tensors, folder / "golden.safetensors", {"format": "pt"})
    (folder / "README.md").write_text(readme(golden, seed, answer))
    for file in folder.iterdir():
        file.chmod(0o644)
    print(f"tests/golden/{golden.name}: seed {seed}, router margin {answer.router_margin:.2g}")


def readme(golden: Golden, seed: int, answer: Answer) -> str:
    spread, largest = answer.logits.std().item(), answer.logits.abs().max().item()
    pins = ", ".join(f"{name} {pin}" for name, pin in pinned_versions().items())
    facts = [
        f"Odd about it: {golden.odd}.",
        f"Logits: standard deviation {spread:.2f}, largest magnitude {largest:.2f}.",
        f"Smallest router margin (k-th minus next probability): {answer.router_margin:.2e}.",
        f"Smallest top-1 margin (best minus second logit): {answer.top1_margin:.2e}.",
        f"Versions: {pins}.",
        f"Second opinion: `python3 tools/reference_mixtral.py tests/golden/{golden.name}`.",
    ]
    lines = [textwrap.fill(f"* {fact}", 96, subsequent_indent="  ") for fact in facts]
    return f"""# {golden.name}

A random model and what transformers computes for it; written by
`python3 tools/make_goldens.py {golden.name}` (seed {seed}), fp32, eager attention.

""" + "\n".join(lines) + "\n"


def pinned_versions() -> dict[str, str]:
    lines = REQUIREMENTS.read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="goldens to write; all if none is named")
    names = parser.parse_args().names
    unknown = set(names) - {golden.name for golden in GOLDENS}
    if unknown:
        parser.error(f"no such golden: {', '.join(sorted(unknown))}")
    disable_progress_bar()
    for package, pin in pinned_versions().items():
        if version(package) != pin:
            sys.exit(f"{package} is {version(package)}; goldens are written with {pin}")
    for golden in GOLDENS:
        if not names or golden.name in names:
            make(golden)


if __name__ == "__main__":
    main()
