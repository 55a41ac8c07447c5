"""Routes whose functions need nothing but the request are called straight away, their guards first as ever."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from kernel.failures import Forbidden
from kernel.http import _direct as direct


async def _guard(request: Request) -> str:
    if request.scope["who"] != "friend":
        raise Forbidden
    request.scope["guarded"] = True
    return "friend"


async def _told(request: Request) -> bool:
    return bool(request.scope.get("guarded"))


Friend = Annotated[str, Depends(_guard)]
Told = Annotated[bool, Depends(_told)]


async def _open(request: Request, by: Friend, after: Told) -> Response:
    return Response(f"{by} {after} {request.scope['who']}")


def _request(who: str) -> Request:
    return Request({"type": "http", "who": who})


def _route(endpoint: Any, **options: Any) -> APIRoute:
    return APIRoute("/x", endpoint, response_model=None, **options)


async def test_the_function_gets_the_request_and_what_its_guards_give() -> None:
    """Guards run in the order they are written, and their values come by name."""
    handle = direct(_route(_open))
    assert handle is not None
    assert (await handle(_request("friend"))).body == b"friend True friend"


async def test_a_guard_that_refuses_is_the_end() -> None:
    """Nothing of the function runs for whom its guard does not let through."""
    handle = direct(_route(_open))
    assert handle is not None
    with pytest.raises(Forbidden):
        await handle(_request("stranger"))


async def _by_path(request: Request, id: str) -> Response:
    return Response(id)


async def _by_default(request: Request, count: int = 3) -> Response:
    return Response(str(count))


async def _no_answer(request: Request) -> dict[str, str]:
    return {}


def _not_async(request: Request) -> Response:
    return Response()


async def _deeper(by: Friend) -> str:
    return by


async def _by_deeper(by: Annotated[str, Depends(_deeper)]) -> Response:
    return Response(by)


@pytest.mark.parametrize("endpoint", [_by_path, _by_default, _no_answer, _not_async, _by_deeper])
def test_what_needs_the_framework_is_left_to_it(endpoint: Any) -> None:
    """Parameters of the address, values to be written as JSON and guards of guards are FastAPI's work."""
    assert direct(_route(endpoint)) is None


def test_a_routers_own_guards_are_not_passed_by() -> None:
    """A guard that stands at the route or its router, not in the function, keeps the framework at work."""
    assert direct(_route(_open, dependencies=[Depends(_guard)])) is None
