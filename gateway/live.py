"""One WebSocket per browser: words that say "look at this anew"; the browser then reads the state itself."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

import orjson
from fastapi import APIRouter, WebSocket
from fastapi.websockets import WebSocketDisconnect
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from kernel.auth.principal import Principal
from kernel.auth.tokens import Verifier
from kernel.failures import Failure
from kernel.service import Room

log = logging.getLogger(__name__)

router = APIRouter()
SIGN_IN_WITHIN = 10.0
BACKLOG = 64
AGAIN_AFTER = 1.0
EVERYTHING = "*"
"""The word that says: look at everything anew."""
SILENT = "live:"
"""A channel nobody speaks on: a subscription needs one."""


class Relay:
    """One subscription of this process, to just the channels that its open pages listen to."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._ears: dict[str, set[asyncio.Queue[str]]] = {}
        self._pubsub: PubSub | None = None

    async def run(self) -> None:
        """Carry each word to the pages it is meant for, until cancelled. After a gap every page looks at everything."""
        while True:
            with suppress(RedisError, OSError):
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(SILENT)
                    # From here on a page that joins subscribes for itself; those that came before are caught up.
                    self._pubsub = pubsub
                    await pubsub.subscribe(SILENT, *self._ears)
                    self._tell(self._everybody(), EVERYTHING)
                    await self._carry(pubsub)
            self._pubsub = None
            await asyncio.sleep(AGAIN_AFTER)

    async def join(self, ear: "asyncio.Queue[str]", channels: set[str]) -> None:
        """Let a page hear these channels."""
        fresh = [channel for channel in channels if channel not in self._ears]
        for channel in channels:
            self._ears.setdefault(channel, set()).add(ear)
        with suppress(RedisError, OSError):
            if fresh and self._pubsub:
                await self._pubsub.subscribe(*fresh)
                # Once Redis answers this, nothing that is committed from now on can pass the page by.
                await self._redis.ping()

    async def leave(self, ear: "asyncio.Queue[str]", channels: set[str]) -> None:
        """A page was closed."""
        for channel in channels:
            self._ears[channel].discard(ear)
        empty = [channel for channel in channels if not self._ears[channel]]
        for channel in empty:
            del self._ears[channel]
        with suppress(RedisError, OSError):
            if empty and self._pubsub:
                await self._pubsub.unsubscribe(*empty)

    async def _carry(self, pubsub: PubSub) -> None:
        while True:
            message = await pubsub.get_message(timeout=5.0)
            if message:
                self._tell(self._ears.get(message["channel"].decode(), ()), message["data"].decode())

    def _everybody(self) -> set["asyncio.Queue[str]"]:
        return {ear for ears in self._ears.values() for ear in ears}

    def _tell(self, ears: Iterable["asyncio.Queue[str]"], word: str) -> None:
        for ear in tuple(ears):
            _say(ear, word)


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
    await relay.join(ear, channels)
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
        await relay.leave(ear, channels)


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
        ear.put_nowait(EVERYTHING)
