#!/usr/bin/env python3
"""Writes tests/golden/chat/: what Jinja makes of templates, set up as transformers sets it up.

Usage: python tools/make_chat_goldens.py
(needs the package jinja2==3.1.6; run with Python 3.11)

features.json: one small template per feature (tools/chat_features.py). styles.json: conversations
in the templates of tests/golden/chat/styles, which are ours, in the style of well-known families.
Each case has the output, or "refused" when Jinja raises an error.
"""

import datetime
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.sandbox

from chat_conversations import CONVERSATIONS
from chat_features import FEATURES, VARIABLES

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/chat"
NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks what the assistant says; the text itself is left alone."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_say"), [], [], body).set_lineno(line)

    def _say(self, caller):
        return caller()


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def environment():
    result = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    result.filters["tojson"] = to_json
    result.globals["raise_exception"] = raise_exception
    result.globals["strftime_now"] = NOW.strftime
    return result


def render(source: str, variables: dict) -> dict:
    try:
        return {"output": environment().from_string(source).render(**variables)}
    except RecursionError:
        return {"refused": "RecursionError"}
    except Exception as error:
        return {"refused": type(error).__name__}


def write(name: str, value) -> None:
    text = json.dumps(value, ensure_ascii=True, indent=1)
    (GOLDEN / name).write_text(text + "\n")


def main() -> None:
    cases = [
        {"kind": kind, "template": source, **render(source, VARIABLES)}
        for kind, sources in FEATURES.items()
        for source in sources
    ]
    write("features.json", {"variables": VARIABLES, "cases": cases})
    styles = []
    for path in sorted((GOLDEN / "styles").glob("*.jinja")):
        for name, conversation in CONVERSATIONS.items():
            variables = {
                "messages": conversation["messages"],
                "tools": conversation.get("tools"),
                "documents": None,
                "add_generation_prompt": conversation.get("add_generation_prompt", True),
                "bos_token": "<s>",
                "eos_token": "</s>",
                **conversation.get("variables", {}),
            }
            styles.append(
                {"style": path.stem, "conversation": name, **render(path.read_text(), variables)}
            )
    write("styles.json", {"conversations": CONVERSATIONS, "cases": styles})


if __name__ == "__main__":
    main()
