"""The identity room: accounts, sign-in, OpenID Connect tokens, signing keys."""

from collections.abc import Coroutine, Sequence
from typing import Any

from fastapi import FastAPI
from joserfc.jwk import ECKey

from kernel.service import Room, application
from kernel.settings import Settings
from services.identity import routes


def create_app(settings: Settings) -> FastAPI:
    """The room's application."""
    return application("identity", settings, routers=[routes.open_doors, routes.reads, routes.commands], start=_start)


def _start(app: FastAPI, room: Room) -> Sequence[Coroutine[Any, Any, None]]:
    app.state.signing_key = load_key(room.settings)
    return []


def load_key(settings: Settings) -> ECKey:
    """The key that signs tokens, one file of the installation's secrets, named by its thumbprint (RFC 7638)."""
    key = ECKey.import_key(settings.secret("identity-signing.pem"))
    return ECKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})
