"""MiLo's loop as its paper and released code have it, in plain NumPy: what `trine bench --compress`
is timed against, and an independent figure for the error it must reach.

    python3 tools/reference_milo.py --shape 4096x14336 --rank 32
    python3 tools/reference_milo.py --shape 512x1024 --rank 16 --iterations 20 --json

Source: arXiv 2504.02658 (algorithm 1); HQQ's settings as in src/compress/quantizers/hqq.cpp. The
random matrix is a seeded normal one with sixteen strong directions.
"""

import argparse
import json
import time

import numpy as np

NORM, PENALTY, GROWTH, STEPS = 0.7, 10.0, 1.01, 20


def random_matrix(rows: int, cols: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    strong = generator.standard_normal((rows, 16)) @ generator.standard_normal((16, cols))
    return (0.02 * generator.standard_normal((rows, cols)) + 0.003 * strong).astype(np.float32)


def hqq(weights: np.ndarray, bits: int, group: int) -> np.ndarray:
    """The numbers of the codes, [rows, cols]; every group has the published number of steps."""
    values = weights.reshape(-1, group)
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    most = 2.0**bits - 1.0
    inverse = np.minimum(most / np.maximum(high - low, 1e-12), 2e4).astype(np.float32)
    zero = -low * inverse
    penalty, best = PENALTY, 1e4
    for _ in range(STEPS):
        codes = np.clip(np.round(values * inverse + zero), 0.0, most)
        numbers = (codes - zero) / inverse
        error = values - numbers
        size = np.abs(error)
        shrunk = np.sign(error) * np.maximum(size - (size + 1e-30) ** (NORM - 1.0) / penalty, 0.0)
        zero = np.mean(codes - (values - shrunk) * inverse, axis=1, keepdims=True)
        penalty *= GROWTH
        mean = float(size.mean())
        if mean >= best:
            break
        best = mean
    codes = np.clip(np.round(values * inverse + zero), 0.0, most)
    return ((codes - zero) / inverse).reshape(weights.shape).astype(np.float32)


def low_rank(residual: np.ndarray, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Randomized SVD with two power iterations, √Σ on both sides."""
    start = np.random.default_rng(seed).standard_normal((residual.shape[1], rank)).astype(np.float32)
    basis = np.linalg.qr(residual @ start)[0]
    for _ in range(2):
        basis = np.linalg.qr(residual @ np.linalg.qr(residual.T @ basis)[0])[0]
    left, sizes, right = np.linalg.svd(basis.T @ residual, full_matrices=False)
    roots = np.sqrt(sizes)
    return (basis @ left) * roots, roots[:, None] * right


def milo(weights: np.ndarray, bits: int, group: int, rank: int, iterations: int) -> float:
    """‖W − Ŵ − L·R‖F / ‖W‖F after `iterations` + 1 passes, factors not rounded."""
    product = np.zeros_like(weights)
    for step in range(iterations + 1):
        numbers = hqq(weights - product, bits, group)
        left, right = low_rank(weights - numbers, rank, step)
        product = left @ right
    return float(np.linalg.norm(weights - numbers - product) / np.linalg.norm(weights))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="4096x14336")
    parser.add_argument("--bits", type=int, default=3)
    parser.add_argument("--group", type=int, default=64)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows, cols = (int(side) for side in options.shape.split("x"))
    weights = random_matrix(rows, cols, options.seed)
    start = time.perf_counter()
    error = milo(weights, options.bits, options.group, options.rank, options.iterations)
    seconds = time.perf_counter() - start
    if options.json:
        print(json.dumps({"shape": [rows, cols], "rank": options.rank, "iterations": options.iterations,
                          "seconds": seconds, "weight_error": error}))
    else:
        print(f"{rows}x{cols}, rank {options.rank}, {options.iterations} iterations: "
              f"{seconds:.1f} s, weight_error {error:.5f}")


if __name__ == "__main__":
    main()
