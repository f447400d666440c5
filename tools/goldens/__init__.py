"""The models of tests/golden, one file per group of families; make_goldens.py writes them."""

from goldens import (
    deepseek, deepseek_v3, dense, gpt_oss, granitemoe, mixtral, phimoe, qwen_moe, switch,
)  # fmt: skip

FAMILIES = (
    mixtral, dense, qwen_moe, granitemoe, deepseek, deepseek_v3, phimoe, gpt_oss, switch,
)  # fmt: skip
GOLDENS = [golden for family in FAMILIES for golden in family.GOLDENS]
