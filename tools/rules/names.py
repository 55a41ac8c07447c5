"""Reading names in syntax trees: what a dotted expression stands for, and what a file imports."""

import ast
from collections.abc import Collection, Iterator

from tools.rules.source import Source


def dotted(node: ast.AST) -> str:
    """`a.b.c` for the expression a.b.c; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (front := dotted(node.value)):
        return f"{front}.{node.attr}"
    return ""


def last(node: ast.AST) -> str:
    """The last name of an expression: `c` for a.b.c and for f().c."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def bindings(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: {"dt": "datetime.datetime"}."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return bound


def resolved(node: ast.AST, bound: dict[str, str]) -> str:
    """A dotted expression with its first name replaced by what was imported under it."""
    front, dot, rest = dotted(node).partition(".")
    return f"{bound.get(front, front)}{dot}{rest}"


def imports(source: Source, modules: Collection[str]) -> Iterator[tuple[str, int]]:
    """Every module a file imports, with its line; `from package import module` gives the module."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _package(source, node)
            for alias in node.names:
                inner = f"{package}.{alias.name}"
                yield (inner if inner in modules else package), node.lineno


def _package(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    here = source.module.split(".")
    kept = here[: len(here) - node.level + source.path.endswith("/__init__.py")]
    return ".".join([*kept, *([node.module] if node.module else [])])


def literal(node: ast.AST | None) -> str | None:
    """The text of a string literal, the fixed parts of an f-string, or None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return None
