"""quiet-logs: logs speak of the work, never of the people it is for.

Logs leave the record's walls: they are shipped, kept and read by operators. So a log line is a fixed sentence with ids
of work, codes and counts; an error appears as `place_of(error)`, since its text may quote a patient's data.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from tools.rules.names import last
from tools.rules.source import Finding, Source

NAME = "quiet-logs"
LEVELS = {"debug", "info", "warning", "error", "critical", "log"}
LOGGERS = {"log", "logger", "logging", "_log"}
HARMLESS = re.compile(
    r"(.*_)?(id|ids|code|codes|kind|kinds|count|counts|status|attempt|attempts|room|rooms|role|port|ports|pid|seconds"
    r"|millis|bytes|size|version|state|step|signal|number|total|level|consumer|queue|task|batch|rows|exitcode)"
)
PERSONAL = re.compile(r"patient|person|phone|subject|birth|identifier|name")
CALLS = {"int", "round", "sum", "sorted", "min", "max", "join"}


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Log calls that could carry a patient's data."""
    for source in sources:
        if not source.is_product:
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                yield from (source.finding(node, NAME, message) for message in _wrong(node, source))


def _wrong(call: ast.Call, source: Source) -> Iterator[str]:
    match call.func:
        case ast.Name(id="print") if source.parts[0] != "yuzhen":
            yield "print() ends up in the log: use log with a fixed sentence"
        case ast.Attribute(attr="print_exc" | "print_exception"):
            yield "a traceback quotes data: log place_of(error)"
        case ast.Attribute(attr=level, value=owner) if last(owner) in LOGGERS:
            if level == "exception":
                yield "log.exception quotes the error's text: log.error(..., place_of(error))"
            elif level in LEVELS:
                yield from _wrong_arguments(call, skip=1 if level == "log" else 0)


def _wrong_arguments(call: ast.Call, *, skip: int) -> Iterator[str]:
    sentence, values = call.args[skip : skip + 1], call.args[skip + 1 :]
    if not all(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in sentence):
        yield "the sentence must be a literal with % places, so that what varies can be seen"
    for value in values:
        if unknown := _telling(value):
            yield f"'{unknown}' may carry a patient's data: log ids of work, codes, counts or place_of(error)"
    if call.keywords:
        yield f"no {call.keywords[0].arg}= in a log call: it carries more than the sentence says"


def _telling(node: ast.AST | None) -> str:
    """The first part of a logged value that is not known to be harmless."""
    match node:
        case ast.Constant():
            return ""
        case ast.Attribute(attr="__name__", value=ast.Call(func=ast.Name(id="type"))):
            return ""
        case ast.Name() | ast.Attribute():
            harmless = HARMLESS.fullmatch(last(node).lstrip("_")) and not PERSONAL.search(last(node))
            return "" if harmless else ast.unparse(node)
        case ast.Call(func=called) if last(called) in {"len", "place_of"}:
            return ""
        case ast.Call(func=called) if last(called) in CALLS:
            return next(filter(None, map(_telling, node.args)), "")
        case ast.BinOp(left=left, right=right):
            return _telling(left) or _telling(right)
        case ast.Subscript(slice=ast.Constant(value=str() as key)):
            return "" if HARMLESS.fullmatch(key) and not PERSONAL.search(key) else ast.unparse(node)
        case ast.IfExp(body=body, orelse=orelse):
            return _telling(body) or _telling(orelse)
    return ast.unparse(node) if node else ""
