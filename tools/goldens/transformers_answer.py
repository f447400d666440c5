"""What transformers computes for a checkpoint: fp32, eager attention."""

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from goldens.checkpoint import write_checkpoint
from goldens.golden import Golden, Tensors


class TransformersAnswer(NamedTuple):
    logits: torch.Tensor
    growing_logits: torch.Tensor | None  # make_goldens.py says what that is


@torch.no_grad()
def transformers_answer(
    golden: Golden, config: dict, tensors: Tensors, token_ids: dict[str, torch.Tensor]
) -> TransformersAnswer:
    with tempfile.TemporaryDirectory() as scratch:
        write_checkpoint(config, tensors, Path(scratch))
        model = load(Path(scratch))
    inputs = {"input_ids": token_ids["token_ids"].long()}
    if golden.encoder_length:
        inputs = {
            "input_ids": token_ids["encoder_token_ids"].long(),
            "decoder_input_ids": token_ids["token_ids"].long(),
        }
    logits = model(**inputs, use_cache=False).logits
    assert logits.isfinite().all()
    assert torch.equal(model(**inputs, use_cache=False).logits, logits)
    if golden.looks_at_length:
        return TransformersAnswer(logits, as_it_grows(model, inputs["input_ids"]))
    if not golden.encoder_length:
        assert (step_by_step(model, inputs["input_ids"]) - logits).abs().max() < 1e-4
    return TransformersAnswer(logits, None)


def load(folder: Path) -> torch.nn.Module:
    """transformers must find every tensor it wants and no other."""
    has_encoder = AutoConfig.from_pretrained(folder).is_encoder_decoder
    auto_class = AutoModelForSeq2SeqLM if has_encoder else AutoModelForCausalLM
    experts = {} if has_encoder else {"experts_implementation": "eager"}
    model, report = auto_class.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True,
        **experts,
    )  # fmt: skip
    if any(report.values()):
        sys.exit(f"transformers does not accept our names: {report}")
    return model.eval()


def step_by_step(model: torch.nn.Module, token_ids: torch.Tensor) -> torch.Tensor:
    """One token at a time, with the cache of transformers."""
    cache, steps = None, []
    for position in range(token_ids.shape[1]):
        output = model(token_ids[:, position : position + 1], past_key_values=cache)
        cache = output.past_key_values
        steps.append(output.logits)
    return torch.cat(steps, dim=1)


def as_it_grows(model: torch.nn.Module, token_ids: torch.Tensor) -> torch.Tensor:
    """The last row of a prefill of each length."""
    lengths = range(1, token_ids.shape[1] + 1)
    rows = [model(token_ids[:, :n], use_cache=False).logits[:, -1] for n in lengths]
    return torch.stack(rows, dim=1)
