"""One WebSocket per browser: words that say "look at this anew"; the browser then reads the state itself."""

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress

import orjson
from fastapi import APIRouter, WebSocket
from fastapi.websockets import WebSocketDisconnect
from redis.asyncio import Redis

from kernel import notify
from kernel.auth.principal import Principal
from kernel.auth.tokens import Verifier
from kernel.failures import Failure
from kernel.service import Room

log = logging.getLogger(__name__)

router = APIRouter()
SIGN_IN_WITHIN = 10.0
BACKLOG = 64
RELAY = "live:*"

Ears = defaultdict[str, set["asyncio.Queue[str]"]]


class Relay:
    """One subscription to all live words, shared by every open page of this process."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._ears: Ears = defaultdict(set)

    async def run(self) -> None:
        """Carry each word to the pages it is meant for, until cancelled. After a loss every page looks anew."""
        async for channel, word in notify.listen_all(self._redis, RELAY, every=5.0):
            for ear in tuple(self._ears[channel]) if channel else self._everybody() if word else ():
                _say(ear, word)

    def _everybody(self) -> set["asyncio.Queue[str]"]:
        return {ear for ears in self._ears.values() for ear in ears}

    def join(self, ear: "asyncio.Queue[str]", channels: set[str]) -> None:
        """Let a page hear these channels."""
        for channel in channels:
            self._ears[channel].add(ear)

    def leave(self, ear: "asyncio.Queue[str]", channels: set[str]) -> None:
        """A page was closed."""
        for channel in channels:
            self._ears[channel].discard(ear)
            if not self._ears[channel]:
                del self._ears[channel]


def channels_of(by: Principal) -> set[str]:
    """What a person may hear: words for themselves, their clinics and their organization."""
    return {f"live:{reference}" for reference in (by.fhir_user, *by.clinics, by.organization) if reference}


@router.websocket("/live")
async def live(page: WebSocket) -> None:  # rule: guarded-routes because its first message is the token
    """Sign in with the first message, then listen. Closed with 4401 when the token is wrong or has run out."""
    await page.accept()
    room: Room = page.app.state.room
    relay: Relay = page.app.state.relay
    by = await _signed_in(page, room.verifier)
    if by is None:
        return
    ear: asyncio.Queue[str] = asyncio.Queue(BACKLOG)
    channels = channels_of(by)
    relay.join(ear, channels)
    try:
        await page.send_text('{"ready":true}')
        listening = asyncio.create_task(_until_closed(page))
        seconds = (by.expires_at - room.clock.now()).total_seconds()
        talking = asyncio.create_task(_talk(page, ear))
        await asyncio.wait({listening, talking}, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED)
        for task in (listening, talking):
            task.cancel()
        with suppress(RuntimeError, WebSocketDisconnect):
            await page.close(4401)
    finally:
        relay.leave(ear, channels)


async def _signed_in(page: WebSocket, verifier: Verifier) -> Principal | None:
    try:
        first = orjson.loads(await asyncio.wait_for(page.receive_text(), SIGN_IN_WITHIN))
        return await verifier.verify(str(first["token"]))
    except (Failure, ValueError, KeyError, TypeError, TimeoutError, WebSocketDisconnect):
        with suppress(RuntimeError, WebSocketDisconnect):
            await page.close(4401)
        return None


async def _talk(page: WebSocket, ear: "asyncio.Queue[str]") -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            word = await ear.get()
            await page.send_text(orjson.dumps({"look": word}).decode())


async def _until_closed(page: WebSocket) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await page.receive_text()


def _say(ear: "asyncio.Queue[str]", word: str) -> None:
    """Tell one page; a page too slow to listen is told once to look at everything."""
    try:
        ear.put_nowait(word)
    except asyncio.QueueFull:
        while not ear.empty():
            ear.get_nowait()
        ear.put_nowait("*")
