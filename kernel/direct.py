"""Calling a route's function straight away when all it takes follows from the request alone.

FastAPI looks for parameters, bodies and resources of every route anew at each request; where there are none, that
search costs more than the answer.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints

from fastapi import Request, params
from fastapi.responses import Response
from fastapi.routing import APIRoute

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Source = Callable[[Request], Coroutine[Any, Any, Any]]


def direct(route: APIRoute) -> Handler | None:
    """A handler that calls the route's function with the request and what its guards give, in the order written.

    None for a function that takes anything else, such as a path parameter: FastAPI knows what to do.
    """
    endpoint = route.endpoint
    hints = get_type_hints(endpoint, include_extras=True)
    if route.dependencies or not (inspect.iscoroutinefunction(endpoint) and _is_response(hints.get("return"))):
        return None
    sources = {name: _source(hints.get(name)) for name in inspect.signature(endpoint).parameters}
    wanted = {name: source for name, source in sources.items() if source is not None}
    if len(wanted) < len(sources):
        return None

    async def handle(request: Request) -> Response:
        given = {name: await source(request) for name, source in wanted.items()}
        return await endpoint(**given)  # type: ignore[no-any-return]

    return handle


async def _itself(request: Request) -> Request:
    return request


def _is_response(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Response)


def _source(hint: Any) -> Source | None:
    """Where a parameter's value comes from, if the request alone is needed for it."""
    if hint is Request:
        return _itself
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, params.Depends)]
    if len(marks) != 1 or marks[0].dependency is None:
        return None
    source = marks[0].dependency
    takes = [get_type_hints(source).get(name) for name in inspect.signature(source).parameters]
    return source if inspect.iscoroutinefunction(source) and takes == [Request] else None
