"""The key identity signs its tokens with: one file of the installation's secrets."""

from typing import Annotated

from fastapi import Depends, Request
from joserfc.jwk import ECKey

from kernel.settings import Settings


def load(settings: Settings) -> ECKey:
    """The signing key, named by its thumbprint (RFC 7638)."""
    key = ECKey.import_key(settings.secret("identity-signing.pem"))
    return ECKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})


async def _key(request: Request) -> ECKey:
    return request.app.state.signing_key  # type: ignore[no-any-return]


TheKey = Annotated[ECKey, Depends(_key)]
