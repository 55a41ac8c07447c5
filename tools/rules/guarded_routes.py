"""guarded-routes: every route knows who asks before its code runs.

A route that forgets its guard is open to everybody who can reach the port, and nothing else would notice. Routers use
ReadRoute or CommandRoute, and each route names the principals it lets through in a parameter (`by: MayBook`).
"""

import ast
from collections.abc import Iterator, Sequence

from tools.rules.names import dotted, last
from tools.rules.source import Finding, Source

NAME = "guarded-routes"
ROOMS = ("kernel", "record", "services", "gateway")
VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "api_route", "route", "websocket"}
GUARDING = {"ReadRoute", "CommandRoute"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Routers that ask nobody's name, and routes without a guard."""
    guards = {name for source in sources for name in _guards(source)}
    for source in sources:
        if source.is_python and source.parts[0] in ROOMS:
            yield from _in_file(source, guards)


def _in_file(source: Source, guards: set[str]) -> Iterator[Finding]:
    bare = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is_bare(node.value):
            bare |= {dotted(target) for target in node.targets}
            yield source.finding(
                node, NAME, "this router asks nobody's name: give it route_class=ReadRoute or CommandRoute"
            )
    functions = {node.name: node for node in ast.walk(source.tree) if isinstance(node, Function)}
    for function in functions.values():
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and _is_route(decorator) and _router(decorator) not in bare:
                yield from _unguarded(source, decorator, function, guards)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and last(node.func) == "add_api_route" and _router(node) not in bare:
            endpoint = functions.get(last(node.args[1])) if len(node.args) > 1 else None
            yield from _unguarded(source, node, endpoint, guards)


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


def _is_bare(call: ast.Call) -> bool:
    classes = {last(keyword.value) for keyword in call.keywords if keyword.arg == "route_class"}
    return last(call.func) == "APIRouter" and not classes & GUARDING


def _is_route(call: ast.Call) -> bool:
    path = call.args[0] if call.args else None
    return last(call.func) in VERBS and isinstance(path, ast.Constant | ast.JoinedStr)


def _router(call: ast.Call) -> str:
    return dotted(call.func).rpartition(".")[0]


def _unguarded(source: Source, call: ast.Call, function: Function | None, guards: set[str]) -> Iterator[Finding]:
    if last(call.func) == "websocket":
        yield source.finding(call, NAME, "a web socket passes no route class: say in an excuse how it knows who asks")
    elif function is None:
        yield source.finding(call, NAME, "name the route's function here, so that its guard can be seen")
    elif not any(_is_guard(a.annotation, guards) for a in (*function.args.args, *function.args.kwonlyargs)):
        yield source.finding(call, NAME, f"{function.name} lets everybody in: add a guard such as 'by: Anyone'")
