"""guarded-routes: every route knows who asks before its code runs.

A route that forgets its guard is open to everybody who can reach the port, and nothing else would notice. Routers use
ReadRoute, OwnReadRoute or CommandRoute, and each route names
the principals it lets through in a parameter (`by: MayBook`).
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tools.rules.names import dotted, last
from tools.rules.source import Finding, Source

NAME = "guarded-routes"
ROOMS = ("kernel", "record", "services", "gateway")
VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "api_route", "route", "websocket"}
BY_HAND = {"add_api_route", "add_api_websocket_route"}
GUARDING = {"ReadRoute", "OwnReadRoute", "CommandRoute"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Routes on routers that ask nobody's name, and routes without a guard."""
    guards = {name for source in sources for name in _guards(source)}
    for source in sources:
        if source.is_python and source.parts[0] in ROOMS:
            yield from _in_file(source, guards)


def _in_file(source: Source, guards: set[str]) -> Iterator[Finding]:
    nodes = list(ast.walk(source.tree))
    made = [node for node in nodes if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    bare = {dotted(target) for node in made if _is_bare(node.value) for target in node.targets}
    for call, function in _routes(nodes):
        if fault := _fault(call, function, bare=bare, guards=guards):
            decorates = function is not None and call in function.decorator_list
            until = function.body[0].lineno - 1 if function and decorates else call.end_lineno or 0
            yield replace(source.finding(call, NAME, fault), until=until)


def _routes(nodes: list[ast.AST]) -> Iterator[tuple[ast.Call, Function | None]]:
    """Every route: where it is hung up, and the function that answers, if it can be seen."""
    functions = {node.name: node for node in nodes if isinstance(node, Function)}
    for node in nodes:
        if isinstance(node, Function):
            yield from ((hung, node) for hung in node.decorator_list if isinstance(hung, ast.Call) and _is_route(hung))
        if isinstance(node, ast.Call) and last(node.func) in BY_HAND:
            yield node, functions.get(last(node.args[1])) if len(node.args) > 1 else None


def _guards(source: Source) -> Iterator[str]:
    """Names given to guards: `MayBook = Annotated[Principal, Depends(...)]`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign) and _is_guard(node.value, set()):
            yield from (dotted(target) for target in node.targets)


def _is_guard(annotation: ast.AST | None, guards: set[str]) -> bool:
    if isinstance(annotation, ast.Subscript) and last(annotation.value) == "Annotated":
        inner = annotation.slice
        return isinstance(inner, ast.Tuple) and last(inner.elts[0]) == "Principal"
    return annotation is not None and last(annotation) in guards


def _is_bare(call: ast.AST) -> bool:
    if not isinstance(call, ast.Call) or last(call.func) != "APIRouter":
        return False
    return not GUARDING & {last(keyword.value) for keyword in call.keywords if keyword.arg == "route_class"}


def _is_route(call: ast.Call) -> bool:
    path = call.args[0] if call.args else None
    return last(call.func) in VERBS and isinstance(path, ast.Constant | ast.JoinedStr)


def _fault(call: ast.Call, function: Function | None, *, bare: set[str], guards: set[str]) -> str:
    if "websocket" in last(call.func):
        return "a web socket passes no route class: say in an excuse how it knows who asks"
    if dotted(call.func).rpartition(".")[0] in bare:
        return "its router asks nobody's name: give it route_class=ReadRoute, OwnReadRoute or CommandRoute"
    if function is None:
        return "name the route's function here, so that its guard can be seen"
    if not any(_is_guard(a.annotation, guards) for a in (*function.args.args, *function.args.kwonlyargs)):
        return f"{function.name} lets everybody in: add a guard such as 'by: Anyone'"
    return ""
