"""commit-at-the-edge: only the edge opens and ends a transaction.

One request or job is one transaction, committed in kernel/database.py before the answer is written. A commit in the
middle of a use case leaves half a change behind when the process dies on the next line.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from tools.rules.names import last, literal
from tools.rules.source import Finding, Source

NAME = "commit-at-the-edge"
EDGE = "kernel/database.py"
OPENERS = {"app.py", "routes.py", "jobs.py"}
STATEMENTS = {"execute", "executemany", "exec_driver_sql", "fetch", "fetchrow", "fetchval", "text"}
WORDS = re.compile(r"^\s*(begin|commit|rollback|start\s+transaction|end)\b\s*(;|$)", re.IGNORECASE)


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Commits outside the edge, and use cases that open a transaction of their own."""
    for source in sources:
        if source.is_product and source.path != EDGE:
            for node in ast.walk(source.tree):
                if isinstance(node, ast.Call) and (message := _wrong(node, source)):
                    yield source.finding(node, NAME, message)


def _wrong(call: ast.Call, source: Source) -> str:
    match call.func:
        case ast.Attribute(attr="commit" | "rollback" as word):
            return f".{word}() belongs to {EDGE}: take the transaction as an argument and let the edge end it"
        case ast.Attribute(attr="begin") if not call.args:
            return f".begin() commits when it ends: take the Transaction that {EDGE} opened"
        case ast.Attribute(attr="transaction" | "reading", value=owner) if last(owner).strip("_") == "database":
            inside = source.parts[0] == "services" and source.parts[-1] not in OPENERS
            return "a use case takes its Transaction as an argument; routes and jobs open it" if inside else ""
    if last(call.func) in STATEMENTS and call.args and WORDS.match(literal(call.args[0]) or ""):
        return f"transactions begin and end in {EDGE} alone"
    return ""
