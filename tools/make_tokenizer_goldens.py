"""Writes tests/golden/tokenizer/: token ids of tricky texts, as `tokenizers` gives them.

Usage: python tools/make_tokenizer_goldens.py
(needs the packages tokenizers==0.23.3 and sentencepiece==0.2.3)

Every folder holds cases.json and, except for models/tiny-mixtral, the small tokenizer.json that
they were made with, one per setting. The folders of well-known styles also hold hashes.json: one
hash for the ids of each 4 KB of mixed text. parts.json holds what single parts do.
"""
import json
import pathlib

import tokenizers

from mixed_text import mixed_text, read_fragments
from tokenizer_parts import parts_text
from tokenizer_styles import make_styles

PINNED_VERSION = "0.23.3"
ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden/tokenizer"

TRICKY_TEXTS = [
    "", " ", "  ", "   a", "a   ", " a b  c   d ", "Hello, world!", "The cat sat on the mat.",
    "\t", "a\tb", "\n", "\n\n\n", "a\r\nb", " \n ", "trailing space ", " leading space",
    "naïve café", "cafe\u0301", "\u0301", "a\u0300\u0316b", "😀", "👩\u200d👩\u200d👧", "🇩🇪🇫🇷",
    "中文字符", "日本語のテキスト", "한국어", "Привет, мир", "مرحبا", "ﬁ ligature", "Å Å",
    "\u0000", "a\u0000b", "\u0001\u0002\u007f", "\u200b", "\u00a0", "a\u3000b", "\ufeffbom",
    "▁", "a▁b", "▁▁", " ▁ ", "<s>", "</s>", "<unk>", "a<s>b", "a <s> b", "<s></s>", "<s", "<<s>>",
    "x</s> y</s>", "<unk> of <unk>", "<0x41>", "<0x0A>\n", "\ufffd", "1234567890", "3.14159",
    "x" * 300, "the" * 100, "antidisestablishmentarianism" * 5, "e" * 65, "camelCaseWord",
    "snake_case_word", "def f(x):\n    return x ** 2\n", "http://example.org/?q=1&r=2#top",
    "\U0010ffff", "\ue000", "\U00020000",
]
ADDED_TOKEN_TEXTS = [
    "ab", "cab abc ab", "ab ab", " ab", "ab ", "a  glue  b",
    "glue glue", "glue", "x glue\t\nglue y",
    "one", "bone ones one, one", "oneone", "_one one1 one-one", "éone oneé",
    "abc d", "a bc", "bc bc",
    "long longer longest", "longes", "<x><x>", "<x>a<x> b", "a<x>", "gap   gap", "      ", "a    b",
]
STYLE_TEXTS = TRICKY_TEXTS[:40] + [
    "I'll IT'S we'Ve 's x'll'd", "the\u180ecat", "a\u0085b", "x\u2028y \u2028", "1234567 12", "a   b\r\n\r\n  c",
    "<|endoftext|>", "<|im_start|>user\nhi<|im_end|>", " café cafe\u0301", "<pad>  x", "x" * 70, "HTMLParser iPhone",
    "\U00031350\u0897", "!word -- ...\n/", "</s> <unk> <extra_id_0>", "漢字とkana2024年",
]
NUM_CHUNKS, CHUNK_BYTES = 125, 4096
UNKNOWN_TEXTS = ["", "é", "éé", "aéb", "aéüb", "a é b", "ab éab", "éab", "abé", "é é", "éa",
                 "ac bc", "😀中"]


def small_model(**settings):
    """A BPE over a few letters, with merges that join words and ones that do not."""
    merges = ["a b", "ab c", "b c", "▁ a", "▁a b", "▁ab c", "l o", "n g", "lo ng", "o n", "on e",
              "▁ ▁", "b ▁a"]
    tokens = ["<unk>", "<s>", "</s>"] + sorted(set("abcdefglnorstuxp▁"))
    for merge in merges:
        tokens.append(merge.replace(" ", ""))
    vocab = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>",
             "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
             "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges}
    model.update(settings)
    return model


def added_token(index, content, **flags):
    token = {"id": index, "content": content, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": False}
    token.update(flags)
    return token


def small_tokenizer(model, added=(), decoder=None):
    """The model between Llama's other parts; `added` are texts with their matching rules."""
    tokens = [added_token(index, text, special=True)
              for index, text in enumerate(["<unk>", "<s>", "</s>"])]
    ids = dict(model["vocab"])
    for content, flags in added:
        tokens.append(added_token(ids.setdefault(content, len(ids)), content, **flags))
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": tokens,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                               "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}},
        "decoder": decoder,
        "model": model,
    }


def llama_decoder():
    return {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}


def variants():
    """Folder name, tokenizer and texts of each small tokenizer."""
    added = [("glue", {"lstrip": True, "rstrip": True}), ("one", {"single_word": True}),
             ("long", {}), ("longest", {}), ("<x>", {"special": True}),
             ("abc d", {"normalized": True}),
             ("gap", {"normalized": True, "rstrip": True}), ("  ", {"rstrip": True})]
    yield ("added_tokens", small_tokenizer(small_model(), added, llama_decoder()),
           ADDED_TOKEN_TEXTS + TRICKY_TEXTS)
    for name, settings in [("unknown_apart", {}), ("unknown_fused", {"fuse_unk": True}),
                           ("unknown_dropped", {"unk_token": None}),
                           ("ignore_merges", {"ignore_merges": True})]:
        yield (name, small_tokenizer(small_model(**settings), (), llama_decoder()),
               UNKNOWN_TEXTS + ["ab ab", "abc", "one"])
    yield "no_decoder", small_tokenizer(small_model()), UNKNOWN_TEXTS + ["ab ab", "a<s>b"]
    strips = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "b▁"}, "content": "=="},
        {"type": "Strip", "content": "▁", "start": 1, "stop": 0}]}
    yield "strip_each", small_tokenizer(small_model(), (), strips), [
        "ab ab ab", "abc  abc", "a b c",
    ]


def cases_of(tokenizer, texts):
    for text in texts:
        ids = tokenizer.encode(text).ids
        yield {"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=True),
               "decoded_with_special": tokenizer.decode(ids, skip_special_tokens=False)}


def write_cases(folder, tokenizer_path, texts):
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / tokenizer_path))
    lines = ",\n".join("  " + json.dumps(case) for case in cases_of(tokenizer, texts))
    (folder / "cases.json").write_text(
        f'{{"made_with": "tokenizers {tokenizers.__version__}",\n'
        f' "model": "{tokenizer_path.parent}",\n'
        f' "cases": [\n{lines}\n]}}\n')


def hash_of(ids):
    """FNV-1a, 64 bits, over the ids as four bytes each, the lowest first."""
    value = 0xCBF29CE484222325
    for byte in b"".join(token_id.to_bytes(4, "little") for token_id in ids):
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def write_hashes(folder, tokenizer_path, first_seed, fragments):
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / tokenizer_path))
    texts = [mixed_text(first_seed + i, CHUNK_BYTES, fragments) for i in range(NUM_CHUNKS)]
    hashes = [hash_of(tokenizer.encode(text).ids) for text in texts]
    lines = [" ".join(hashes[i:i + 5]) for i in range(0, len(hashes), 5)]
    content = {"made_with": f"tokenizers {tokenizers.__version__}", "first_seed": first_seed,
               "chunk_bytes": CHUNK_BYTES, "hashes": lines}
    (folder / "hashes.json").write_text(json.dumps(content, indent=1) + "\n")


def write_styles():
    fragments = read_fragments()
    for index, (name, tokenizer) in enumerate(make_styles(fragments)):
        folder = GOLDEN / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "tokenizer.json"
        path.write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n")
        relative_path = path.relative_to(ROOT)
        write_cases(folder, relative_path, STYLE_TEXTS)
        write_hashes(folder, relative_path, (index + 1) * 1_000_000, fragments)


def main():
    if tokenizers.__version__ != PINNED_VERSION:
        raise SystemExit(f"found tokenizers {tokenizers.__version__}, expected {PINNED_VERSION}")
    for name, tokenizer, texts in variants():
        folder = GOLDEN / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "tokenizer.json"
        path.write_text(json.dumps(tokenizer, ensure_ascii=False, indent=1) + "\n")
        write_cases(folder, path.relative_to(ROOT), texts)
    write_styles()
    (GOLDEN / "parts.json").write_text(parts_text())
    folder = GOLDEN / "tiny-mixtral"
    folder.mkdir(parents=True, exist_ok=True)
    write_cases(folder, pathlib.PurePosixPath("models/tiny-mixtral/tokenizer.json"), TRICKY_TEXTS)


if __name__ == "__main__":
    main()
