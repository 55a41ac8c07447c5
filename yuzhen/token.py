"""`yuzhen token ACCOUNT`: an access token for a demo account, for trying the interface by hand."""

from datetime import timedelta

from kernel.auth.principal import Principal, Role
from kernel.auth.tokens import issue
from kernel.clock import SystemClock
from kernel.database import Database
from kernel.ids import RandomIds
from kernel.settings import Settings
from services.identity import store
from services.identity.app import load_key

LIFE = timedelta(hours=1)


class TokenRefused(Exception):
    """No token is given."""


async def token(settings: Settings, login: str) -> str:
    """A token for a demo account. Raises TokenRefused outside demo mode and for unknown accounts."""
    if not settings.demo:
        raise TokenRefused("Tokens are given out by hand in demo mode only.")
    database = Database(settings.database_url("identity"), room="identity", size=1)
    try:
        async with database.reading() as tx:
            account = await store.account(tx, login)
    finally:
        await database.close()
    if account is None:
        raise TokenRefused(f"There is no account '{login}'; see {settings.state / 'demo-accounts.txt'}.")
    clock = SystemClock(settings.offset)
    now = clock.now()
    principal = Principal(
        account=account.login,
        role=Role(account.role),
        fhir_user=account.fhir_user,
        clinics=account.clinics,
        organization=account.organization,
        token_id=RandomIds(clock).new(),
        expires_at=now + LIFE,
    )
    return issue(principal, key=load_key(settings), issuer=settings.issuer, issued_at=now)
