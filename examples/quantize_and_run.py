"""Compresses a model to three bits with compensators, saves it, and lets it write a text.

python examples/quantize_and_run.py models/tiny-mixtral tiny-milo "The old house"
"""

import sys

import trine

original, saved, prompt = sys.argv[1:]
report = trine.compress(original, saved, preset="milo-s1", rank_scale=0.0625)
print(f"{report.original_bytes:,} bytes are now {report.stored_bytes:,}")
model = trine.Model.load(saved)
print(prompt, end="")
for piece in model.stream(prompt, max_tokens=40, temperature=0.8, seed=7):
    print(piece, end="", flush=True)
print()
