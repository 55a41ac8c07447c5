"""The edge of a room: who asks, one transaction, the answer once and for all, and every failure with a face.

Routes hang on one of two route classes. A `ReadRoute` sees; a `CommandRoute` changes, in one transaction that is
committed before the answer is written. Both know the caller before any code of the room runs: default deny.
"""

import inspect
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, get_type_hints

import orjson
from fastapi import Depends, FastAPI, Request, params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel import idempotency
from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from kernel.failures import Failure, Fault, Forbidden, Invalid, NotAllowed, TooLarge, Unknown
from kernel.telemetry import REQUESTS, SECONDS, place_of

log = logging.getLogger(__name__)

FHIR_JSON = "application/fhir+json"
LARGEST_BODY = 4 * 1024 * 1024
LARGEST_SAID = "A body has 4 MiB at most."
CONDITIONS = ("if-match", "if-none-match", "if-none-exist")
SERVED = "x-fhir-types"
"""Mark of a route over several types: those for which it does something."""
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Source = Callable[[Request], Coroutine[Any, Any, Any]]


class ReadRoute(APIRoute):
    """A route that only reads: for a patient under the reader role of the own compartment."""

    def get_route_handler(self) -> Handler:
        handle = _direct(self) or super().get_route_handler()

        async def edge(request: Request) -> Response:
            room = request.app.state.room
            by = request.state.principal = await room.verifier.principal(request.headers.get("authorization"))
            reading = room.database.transaction(patient=by.patient) if by.patient else room.database.reading()
            async with reading as request.state.tx:
                return await handle(request)

        return edge


class OwnReadRoute(APIRoute):
    """A route that reads the room's own tables, which no reader role sees; the record it asks by `visible` alone."""

    def get_route_handler(self) -> Handler:
        handle = _direct(self) or super().get_route_handler()

        async def edge(request: Request) -> Response:
            room = request.app.state.room
            request.state.principal = await room.verifier.principal(request.headers.get("authorization"))
            async with room.database.reading() as request.state.tx:
                return await handle(request)

        return edge


class CommandRoute(APIRoute):
    """A route that changes something: one transaction, one idempotent answer, committed before it is given."""

    def get_route_handler(self) -> Handler:
        handle = _direct(self) or super().get_route_handler()

        async def edge(request: Request) -> Response:
            room = request.app.state.room
            by = request.state.principal = await room.verifier.principal(request.headers.get("authorization"))
            body = await request.body()
            async with room.database.transaction() as tx:
                request.state.tx = tx
                response = await _once(request, handle, tx=tx, by=by, body=body)
            room.announcer.say(tx.words)
            return response

        return edge


def _direct(route: APIRoute) -> Handler | None:
    """A handler that calls the route's function with the request and what its guards give, in the order written.

    FastAPI looks for parameters, bodies and resources anew at each request; where there are none, that search costs
    more than the answer. None for a function that takes anything else, such as a path parameter.
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


async def _once(request: Request, handle: Handler, *, tx: Transaction, by: Principal, body: bytes) -> Response:
    key = request.headers.get("idempotency-key")
    if key is None:
        return await handle(request)
    scope = {"account": by.account, "route": f"{request.method} {request.url.path}", "key": key}
    now = request.app.state.room.clock.now()
    kept = await idempotency.begin(tx, **scope, body=_conditions(request) + body, now=now)
    if kept is not None:
        return Response(kept.body, kept.status, headers={**kept.headers, "Idempotency-Replayed": "true"})
    response = await handle(request)
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    await idempotency.keep(tx, idempotency.Kept(response.status_code, headers, bytes(response.body)), **scope)
    return response


def _conditions(request: Request) -> bytes:
    """What besides its body makes a command another one: the address's parameters, and what it depends on."""
    said = [request.scope["query_string"], *(request.headers.get(name, "").encode() for name in CONDITIONS)]
    return b"\0".join(said) if any(said) else b""


async def _transaction(request: Request) -> Transaction:
    return request.state.tx  # type: ignore[no-any-return]


InTransaction = Annotated[Transaction, Depends(_transaction)]
"""The transaction this request runs in."""


def allow(*roles: Role) -> Callable[[Request], Coroutine[Any, Any, Principal]]:
    """A guard that lets only these roles through. Raises Forbidden."""

    async def guard(request: Request) -> Principal:
        by: Principal = request.state.principal
        if by.role not in roles:
            raise Forbidden
        return by

    return guard


Anyone = Annotated[Principal, Depends(allow(*Role))]
"""Anyone who has signed in."""


def json(
    body: Any, *, status: int = 200, media_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(body), status, headers=headers, media_type=media_type)


def refusal(failure: Failure, *, path: str) -> Response:
    """A failure's face: OperationOutcome on FHIR routes, problem details (RFC 9457) elsewhere."""
    if path.startswith("/fhir"):
        return json(failure.outcome(), status=failure.status, media_type=FHIR_JSON, headers=failure.headers)
    return json(
        failure.problem(), status=failure.status, media_type="application/problem+json", headers=failure.headers
    )


def allowed(request: Request) -> str:
    """The methods that are offered at a request's address, as an Allow header lists them."""
    found: set[str] = set()
    for context in iter_route_contexts(request.app.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and (match := route.matches(request.scope))[0] is not Match.NONE:
            types = (route.openapi_extra or {}).get(SERVED)
            if types is None or match[1]["path_params"].get("type") in types:
                found |= route.methods or set()
    return ", ".join(sorted(found))


def handle_failures(app: FastAPI) -> None:
    """Teach an application the one table of failures."""

    async def ours(request: Request, wrong: Exception) -> Response:
        failure = wrong if isinstance(wrong, Failure) else Fault()
        if isinstance(failure, NotAllowed):
            failure.headers.setdefault("Allow", allowed(request))
        return refusal(failure, path=request.url.path)

    async def unreadable(request: Request, wrong: Exception) -> Response:
        places = wrong.errors() if isinstance(wrong, RequestValidationError) else []
        where = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in places[:5])
        return refusal(Invalid(where), path=request.url.path)

    async def plain(request: Request, wrong: Exception) -> Response:
        status = wrong.status_code if isinstance(wrong, HTTPException) else 500
        failure: Failure = {404: Unknown(), 405: NotAllowed(), 400: Invalid()}.get(status, Fault())
        if isinstance(wrong, HTTPException):
            failure.headers.update(wrong.headers or {})
        if isinstance(failure, NotAllowed) and (methods := allowed(request)):
            failure.headers["Allow"] = methods
        return refusal(failure, path=request.url.path)

    app.add_exception_handler(Failure, ours)
    app.add_exception_handler(RequestValidationError, unreadable)
    app.add_exception_handler(HTTPException, plain)


class Doorway:
    """Around every request: a body of bearable size, a counted answer, and no error text that quotes a person."""

    def __init__(self, app: ASGIApp, *, room: str) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, _bounded(scope, receive), counted)
        except Exception as wrong:
            failure = wrong if isinstance(wrong, Failure) else Fault()
            if not isinstance(wrong, Failure):
                log.error("request failed: %s", place_of(wrong))
            if not status:
                await refusal(failure, path=scope["path"])(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "unrouted")
            REQUESTS.labels(self._room, route, status).inc()
            SECONDS.labels(self._room).observe(time.perf_counter() - started)


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """The body, refused as soon as it is known to be too large."""
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        if declared.isdigit() and int(declared) > LARGEST_BODY:
            raise TooLarge(LARGEST_SAID)
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_BODY:
            raise TooLarge(LARGEST_SAID)
        return message

    return bounded
