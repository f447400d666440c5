#!/usr/bin/env python3
"""Writes tests/golden/tasks/data: small made-up data sets in the fields of the public ones.

    python3 tools/make_task_documents.py

Questions and answers are sentences of models/tiny-mixtral/sample.txt, so that the model finds some
more likely than others, and whatever the readers of tasks treat in a special way: brackets,
capitals, characters of several bytes, spaces at the ends.
"""

import json
import random
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests/golden/tasks/data"
SEED = 20240607


class Sentences:
    """Sentences of the sample, and words and numbers drawn from them."""

    def __init__(self):
        text = (ROOT / "models/tiny-mixtral/sample.txt").read_text(encoding="utf-8")
        self.random = random.Random(SEED)
        self.all = [s.strip() for s in re.split(r"(?<=[.!?])\s+", text) if 20 < len(s) < 160]

    def one(self) -> str:
        return self.random.choice(self.all)

    def halves(self) -> tuple[str, str]:
        words = self.one().split()
        middle = len(words) // 2
        return " ".join(words[:middle]), " ".join(words[middle:])

    def word(self) -> str:
        return re.sub(r"\W", "", self.random.choice(self.one().split())) or "lamp"


def endings_of(s: Sentences, count: int) -> tuple[str, list[str], int]:
    """A beginning, endings and which of them is the real one."""
    begin, right = s.halves()
    endings = [s.halves()[1] for _ in range(count)]
    gold = s.random.randrange(count)
    endings[gold] = right
    return begin, endings, gold


def hellaswag(s: Sentences) -> dict:
    begin, endings, gold = endings_of(s, 4)
    marks = ["[header] How to wait [title] ", "", "[step] ", "[open  ", "Été [substeps] ÉCOLE  "]
    endings[0] = s.random.choice(marks) + endings[0]
    return {
        "activity_label": s.random.choice(["Waiting", "Keeping accounts", "Éclairage"]),
        "ctx_a": begin,
        "ctx_b": s.random.choice(["the LAMP", "ΟΔΟΣ", "ßo she", "", "and Miss HALLAM [title] said"]),
        "endings": endings,
        "label": str(gold),
    }


def piqa(s: Sentences) -> dict:
    begin, endings, gold = endings_of(s, 2)
    return {"goal": begin, "sol1": endings[0], "sol2": endings[1], "label": gold}


def arc(s: Sentences) -> dict:
    count = s.random.choice([3, 4, 5])
    begin, endings, gold = endings_of(s, count)
    labels = s.random.choice(["ABCDE", "12345"])[:count]
    return {
        "id": f"q{s.random.randrange(10**6)}",
        "question": begin,
        "choices": {"text": endings, "label": list(labels)},
        "answerKey": labels[gold],
    }


def winogrande(s: Sentences) -> dict:
    begin, end = s.halves()
    return {
        "sentence": f"{begin} _ {end}",
        "option1": s.word(),
        "option2": s.word(),
        "answer": s.random.choice("12"),
    }


def boolq(s: Sentences) -> dict:
    return {
        "question": "was " + s.halves()[0].lower(),
        "passage": s.one() + " " + s.one(),
        "idx": s.random.randrange(1000),
        "label": s.random.randrange(2),
    }


def mmlu(s: Sentences, subject: str) -> dict:
    begin, endings, gold = endings_of(s, 4)
    return {
        "question": s.random.choice(["", " ", "\n"]) + begin + s.random.choice(["", "  "]),
        "subject": subject,
        "choices": endings,
        "answer": gold,
    }


def lambada(s: Sentences) -> dict:
    return {"text": s.one().rstrip(".!?\"")}


def mathqa(s: Sentences) -> dict:
    begin, endings, gold = endings_of(s, 5)
    if s.random.random() < 0.5:
        endings = [str(s.random.randrange(1, 5000)) + " rs ." for _ in endings]
    options = " , ".join(f"{letter} ) {text}" for letter, text in zip("abcde", endings))
    return {"Problem": begin, "options": options, "correct": "abcde"[gold]}


def triviaqa(s: Sentences) -> dict:
    begin, end = s.halves()
    aliases = [end, s.word(), "The " + s.word().upper() + "!", "and"]
    return {"question": begin, "answer": {"value": end, "aliases": aliases}}


def gsm8k(s: Sentences) -> dict:
    a, b = s.random.randrange(1, 90), s.random.randrange(1, 2000)
    work = f"She had {a} and {b}. {s.one()} <<{a}+{b}={a + b}>>{a + b}\n#### {a + b:,}"
    return {"question": f"{s.one()} How many are {a} and {b}?", "answer": work}


def wikitext(s: Sentences) -> dict:
    sentences = [s.one() for _ in range(s.random.choice([3, 12, 40]))]
    page = " \n " + " ".join(sentences)
    for plain, marked in [(", ", " , "), (". ", " . "), ("-", " @-@ "), ('"', ' " ')]:
        page = page.replace(plain, marked)
    title = " = " + s.word() + " = \n"
    return {"page": title + page + " ( a  note ) [ 1 ] 20 @,@ 000 N 5 \u00b0 s ' own 's \n"}


SPLITS = {
    "arc_challenge": [("test", arc, 12), ("train", arc, 9)],
    "arc_easy": [("test", arc, 12), ("train", arc, 30)],
    "boolq": [("validation", boolq, 12), ("train", boolq, 10)],
    "gsm8k": [("test", gsm8k, 6), ("train", gsm8k, 40)],
    "hellaswag": [("validation", hellaswag, 16), ("train", hellaswag, 12)],
    "lambada_openai": [("test", lambada, 16)],
    "mathqa": [("test", mathqa, 12), ("train", mathqa, 12)],
    "piqa": [("validation", piqa, 16), ("train", piqa, 60)],
    "triviaqa": [("validation", triviaqa, 8), ("train", triviaqa, 8)],
    "wikitext": [("test", wikitext, 4)],
    "winogrande": [("validation", winogrande, 16), ("train", winogrande, 12)],
}
SUBJECTS = ["abstract_algebra", "us_foreign_policy", "virology"]


def write(task: str, split: str, documents: list[dict]) -> None:
    path = DATA / task / f"{split}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    path.write_text("".join(lines), encoding="utf-8")


def main() -> None:
    sentences = Sentences()
    for task, splits in SPLITS.items():
        for split, make, count in splits:
            write(task, split, [make(sentences) for _ in range(count)])
    for split, count in [("test", 5), ("dev", 5)]:
        # Subjects take turns: a reader must sort them out.
        documents = [mmlu(sentences, subject) for _ in range(count) for subject in SUBJECTS]
        write("mmlu", split, documents)


if __name__ == "__main__":
    main()
