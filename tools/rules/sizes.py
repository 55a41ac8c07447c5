"""sizes: a file is one room, and its first sentence says which.

Long files hide their walls. Each file opens with a sentence, and each public function and test states its behaviour
in one, so that the house can be read without being run.
"""

import ast
from collections.abc import Iterator, Sequence

from tools.rules.source import Finding, Source

NAME = "sizes"
LONGEST = 330
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Files that are too long, and public things without a sentence."""
    for source in sources:
        if not source.is_python:
            continue
        length = source.text.count("\n")
        if length > LONGEST:
            yield source.finding(
                1, NAME, f"{length} lines: find the wall inside and make two files (at most {LONGEST})"
            )
        if source.tree.body and source.parts[0] != "tests" and not ast.get_docstring(source.tree):
            yield source.finding(1, NAME, "the file's first line must be a sentence that says what it is for")
        for node in source.tree.body:
            if isinstance(node, Documented) and _is_public(node, source) and not ast.get_docstring(node):
                yield source.finding(node, NAME, f"{node.name} needs a sentence that says what it does")


def _is_public(node: Documented, source: Source) -> bool:
    if source.parts[0] == "tests":
        return node.name.startswith("test_")
    return not node.name.startswith("_") and "migrations" not in source.parts
