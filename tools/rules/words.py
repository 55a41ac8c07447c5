"""words: names say what a thing is in the hospital.

`manager`, `helper`, `utils`, `data`, `info` and `process_` fit everything and so say nothing; the next reader has to
open the file to learn what it holds. If FHIR has a word, it is the word.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from tools.rules.source import Finding, Source

NAME = "words"
EMPTY = {"manager", "managers", "helper", "helpers", "util", "utils", "data", "info", "misc", "common"}
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Files, classes and functions named by words that say nothing."""
    for source in sources:
        if not source.is_python:
            continue
        for part in source.parts:
            if empty := _empty(part.removesuffix(".py")):
                yield source.finding(
                    1, NAME, f"the file name says '{empty}': say what it holds, in the hospital's words"
                )
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (empty := _empty(node.name)):
                yield source.finding(node, NAME, f"{node.name} says '{empty}': say what it is, in the hospital's words")


def _empty(name: str) -> str:
    words = [word for part in name.split("_") for word in CAMEL.split(part)]
    if words and words[0] == "process" and len(words) > 1:
        return "process_"
    return next((word for word in words if word.lower() in EMPTY), "")
