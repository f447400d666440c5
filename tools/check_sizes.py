#!/usr/bin/env python3
"""Holds the sizes: what no longer fits in a head is split along ideas.

Files, function bodies (first to last brace, both lines counted) and parameter lists have
limits.
C++ is read by its braces, not parsed: good for the formatted code of this repository, silent
where it is unsure.
"""

import ast
import re
from typing import Iterator, NamedTuple

from source_tree import CPP_SUFFIXES, SourceTree, Violation, line_of, main, mask_cpp

MAX_FILE_LINES = 800
MAX_HEADER_LINES = 400
MAX_FUNCTION_LINES = 100
MAX_PARAMETERS = 7

SOURCE_SUFFIXES = CPP_SUFFIXES + (".py", ".sh")

_ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")


class Function(NamedTuple):
    name: str
    line: int  # of the opening brace
    num_lines: int
    num_parameters: int


def check(tree: SourceTree) -> Iterator[Violation]:
    for path in tree.files:
        if not (path.endswith(SOURCE_SUFFIXES) or path == "dev"):
            continue
        text = tree.text(path)
        num_lines = len(text.splitlines())
        limit = MAX_HEADER_LINES if path.endswith((".h", ".cuh")) else MAX_FILE_LINES
        if num_lines > limit:
            yield Violation(path, limit + 1, f"{num_lines} lines; the limit here is {limit}")
        for function in functions_in(path, text):
            yield from check_function(path, function)


def check_function(path: str, function: Function) -> Iterator[Violation]:
    name, line, num_lines, num_parameters = function
    if num_lines > MAX_FUNCTION_LINES:
        sentence = f"{name} has {num_lines} lines; the limit is {MAX_FUNCTION_LINES}"
        yield Violation(path, line, sentence)
    if num_parameters > MAX_PARAMETERS:
        sentence = f"{name} takes {num_parameters} parameters; make a struct"
        yield Violation(path, line, sentence)


def functions_in(path: str, text: str) -> Iterator[Function]:
    if path.endswith(CPP_SUFFIXES):
        yield from cpp_functions(text)
    elif path.endswith(".py"):
        yield from python_functions(text)


def python_functions(text: str) -> Iterator[Function]:
    try:
        module = ast.parse(text)
    except SyntaxError:
        return  # Whoever runs the file will hear of it.
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args
            # What must be named cannot be mixed up at a call.
            count = len(arguments.posonlyargs + arguments.args)
            yield Function(node.name, node.lineno, node.end_lineno - node.lineno + 1, count)


def cpp_functions(text: str) -> Iterator[Function]:
    """Function bodies that open at namespace or class level.

    Walks the text once. The head of a brace is everything since the last statement ended; it
    says what the brace opens. Namespaces and classes are entered, all else is jumped over.
    """
    text = mask_cpp(text)
    text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", _blank, text, flags=re.MULTILINE)
    closing = _matching_braces(text)
    head_start = position = depth = 0
    while position < len(text):
        letter = text[position]
        if letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        elif letter == "{":
            head = text[head_start:position]
            kind = "value" if depth > 0 else kind_of_brace(head)
            if kind != "scope":
                end = closing.get(position, len(text) - 1)
                if kind == "function":
                    num_lines = text.count("\n", position, end) + 1
                    name, num_parameters = signature(head)
                    yield Function(name, line_of(text, position), num_lines, num_parameters)
                    head_start = end + 1
                position = end
            else:
                head_start = position + 1
        elif letter == "}" or (letter == ";" and depth == 0):
            head_start, depth = position + 1, 0
        position += 1


def kind_of_brace(head: str) -> str:
    """'scope' (namespace, class), 'function', or 'value' (enum, table, member initialiser)."""
    outline = _outline(head)
    if re.search(r"\bnamespace\b", outline) or outline.strip() == "extern":
        return "scope"
    if re.search(r"\benum\b", outline):
        return "value"
    if re.search(r"\b(class|struct|union)\b", outline):
        return "scope"
    _, parenthesis, tail = outline.partition("()")
    if not parenthesis:
        return "value"
    if re.search(r"(?<!:):(?!:)", tail):  # constructor initialisers; the body follows one
        return "function" if re.search(r"(\)|\}|\.\.\.)\s*$", tail) else "value"
    if re.search(r"->|\brequires\b", tail):
        return "function"
    qualifiers = outline[outline.rindex("()") + 2 :]
    allowed = r"(\s|const|volatile|noexcept|override|final|mutable|constexpr|try|&)*"
    return "function" if re.fullmatch(allowed, qualifiers) else "value"


def signature(head: str) -> tuple[str, int]:
    """Name and number of parameters; the parameters count as 0 where they are not certain."""
    head = _ATTRIBUTE.sub(" ", _without_template_lists(head))
    names = list(re.finditer(r"\b((?:\w+::)*~?\w+)\s*\(", head))
    if not names:
        return "a lambda or operator", 0
    # A macro in front of the function (TARGET("avx2") int sum(...)) is not its name.
    chosen = next((match for match in names if not match[1].isupper()), names[0])
    parameters = _first_group(head[chosen.end() :])
    if not parameters.strip() or re.search(r"<<|->|[<>]=", parameters):
        return chosen[1], 0
    depth = commas = 0
    for letter in parameters:
        depth += (letter in "([{<") - (letter in ")]}>")
        commas += letter == "," and depth == 0
    return chosen[1], commas + 1


def _first_group(text: str) -> str:
    """The text up to the parenthesis that closes it."""
    depth = 1
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[:position]
    return ""


def _outline(head: str) -> str:
    """The head with attributes and template lists gone, parentheses and braces emptied."""
    head = re.sub(r"^(\s*(public|private|protected)\s*:)+", "", head)
    head = re.sub(r"\[\[.*?\]\]", "", head, flags=re.DOTALL)
    head = _without_template_lists(head)
    head = re.sub(r"\boperator\s*\(\s*\)", "operator_call", head)
    for pattern, emptied in ((r"\([^()]*\)", "\1"), (r"\{[^{}]*\}", "}")):
        while re.search(pattern, head):
            head = re.sub(pattern, emptied, head)
    return head.replace("\1", "()")


def _without_template_lists(head: str) -> str:
    """Removes every `template <...>`, counting its angle brackets."""
    while (match := re.search(r"\btemplate\s*<", head)) is not None:
        depth, end = 1, match.end()
        while end < len(head) and depth > 0:
            depth += {"<": 1, ">": -1}.get(head[end], 0)
            end += 1
        head = head[: match.start()] + head[end:]
    return head


def _matching_braces(text: str) -> dict[int, int]:
    """Position of each opening brace → position of its closing one."""
    closing, open_braces = {}, []
    for match in re.finditer(r"[{}]", text):
        if match[0] == "{":
            open_braces.append(match.start())
        elif open_braces:
            closing[open_braces.pop()] = match.start()
    return closing


def _blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match[0])


if __name__ == "__main__":
    main(check, "files, functions and parameter lists within their limits", __doc__)
