"""Access tokens given out at this machine: for a demo account by hand, and for the platform's own commands."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from kernel.auth.principal import Principal, Role
from kernel.auth.tokens import issue
from kernel.clock import SystemClock
from kernel.database import Database
from kernel.ids import RandomIds
from kernel.settings import Settings, SettingWrong
from services.identity import store
from services.identity.app import load_key

LIFE = timedelta(hours=1)
SIGNING_KEY = "identity-signing.pem"


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
    return _issued(
        settings,
        account=account.login,
        role=Role(account.role),
        fhir_user=account.fhir_user,
        clinics=account.clinics,
        organization=account.organization,
    )


def system_token(settings: Settings, account: str) -> Callable[[], str]:
    """Gives a system's access token at each call: the one in the file that was named, else one made here.

    Whoever holds the platform's signing key may act as a system anyway. Raises TokenRefused where there is neither.
    """
    if settings.token_file:
        return lambda: _written_in(Path(settings.token_file))
    if not (settings.secrets / SIGNING_KEY).exists():
        raise TokenRefused(
            "Name a file with an access token, or in YUZHEN_STATE the folder that holds the platform's secrets."
        )
    return lambda: _issued(settings, account=account, role=Role.SYSTEM)


def _written_in(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        raise SettingWrong(f"The file with the access token cannot be read: {path}") from None


def _issued(settings: Settings, **who: Any) -> str:
    clock = SystemClock(settings.offset)
    now = clock.now()
    nobody = {"fhir_user": "", "clinics": (), "organization": ""}
    principal = Principal(**{**nobody, **who}, token_id=RandomIds(clock).new(), expires_at=now + LIFE)
    return issue(principal, key=load_key(settings), issuer=settings.issuer, issued_at=now)
