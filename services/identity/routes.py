"""Identity's doors: sign-in, tokens, published keys, and the keys doctors and pharmacists sign with."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from joserfc.jwk import ECKey

from kernel.auth.principal import Principal, Role
from kernel.auth.tokens import issue
from kernel.failures import Failure, Invalid
from kernel.http import Anyone, CommandRoute, InTransaction, OwnReadRoute, allow, json
from kernel.service import TheRoom
from services.identity import enrolling, page, signing_in, store
from services.identity.account import TOKEN_LIFE, Account, digest
from services.identity.account import Request as Grant
from services.identity.failures import ClientUnknown, GrantUnreadable

open_doors = APIRouter()
reads = APIRouter(route_class=OwnReadRoute)
commands = APIRouter(route_class=CommandRoute)


async def _key(request: Request) -> ECKey:
    return request.app.state.signing_key  # type: ignore[no-any-return]


TheKey = Annotated[ECKey, Depends(_key)]
"""The key identity signs its tokens with."""
MaySign = Annotated[Principal, Depends(allow(Role.PRACTITIONER, Role.PHARMACIST))]


@open_doors.get("/.well-known/openid-configuration")
async def discovery(room: TheRoom) -> Response:  # rule: guarded-routes because it is public by its standard
    """Where everything is (OpenID Connect Discovery 1.0)."""
    issuer = room.settings.issuer
    return json(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "ui_locales_supported": ["zh-CN", "en"],
        }
    )


@open_doors.get("/.well-known/jwks.json")
async def published_keys(key: TheKey) -> Response:  # rule: guarded-routes because public keys are public
    """The keys that verify our tokens (RFC 7517)."""
    return json({"keys": [{**key.as_dict(private=False), "alg": "ES256", "use": "sig"}]})


@open_doors.get("/authorize")
async def ask(request: Request) -> Response:  # rule: guarded-routes because nobody has signed in yet
    """Show the sign-in page to a person an application has sent."""
    query = request.query_params
    if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
        raise GrantUnreadable
    grant = _grant(request, query)
    return _page(grant, language=_language(request, query), problem="", status=200)


@open_doors.post("/authorize")
async def sign_in(request: Request, room: TheRoom) -> Response:  # rule: guarded-routes because this signs people in
    """Check name and password, and send the person back with a code."""
    form = await _form(request)
    grant = _grant(request, form)
    login = form.get("login", "")
    async with room.database.transaction() as tx:
        now = room.clock.now()
        checked = await signing_in.checked(tx, login, form.get("password", ""), now=now)
        code = await signing_in.grant(tx, checked, grant, now=now) if isinstance(checked, Account) else ""
    if isinstance(checked, Failure):
        return _page(grant, language=_language(request, form), problem=checked.code, status=checked.status, login=login)
    back = urlencode({"code": code, "state": grant.state})
    return RedirectResponse(f"{grant.redirect_uri}?{back}", status_code=303, headers={"Cache-Control": "no-store"})


@open_doors.post("/token")
async def token(
    request: Request, room: TheRoom, key: TheKey
) -> Response:  # rule: guarded-routes because a grant is the proof
    """Turn a code, or a refresh token, into tokens."""
    form = await _form(request)
    async with room.database.transaction() as tx:
        now = room.clock.now()
        match form.get("grant_type"):
            case "authorization_code":
                signed_in: signing_in.SignedIn | Failure = await signing_in.redeem(
                    tx,
                    code=form.get("code", ""),
                    client_id=form.get("client_id", ""),
                    redirect_uri=form.get("redirect_uri", ""),
                    verifier=form.get("code_verifier", ""),
                    family=room.ids.new(),
                    now=now,
                )
            case "refresh_token":
                signed_in = await signing_in.refresh(tx, token=form.get("refresh_token", ""), now=now)
            case _:
                raise GrantUnreadable
    if isinstance(signed_in, Failure):
        raise signed_in
    principal = principal_of(signed_in.account, token_id=room.ids.new(), expires_at=now + TOKEN_LIFE)
    access = issue(principal, key=key, issuer=room.settings.issuer, issued_at=now)
    return json(
        {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
            "refresh_token": signed_in.refresh_token,
            "scope": "openid",
        },
        headers={"Cache-Control": "no-store"},
    )


@open_doors.post("/sign-out")
async def sign_out(request: Request, room: TheRoom) -> Response:  # rule: guarded-routes because the token is the proof
    """End a sign-in: its refresh tokens are worth nothing from now on."""
    form = await _form(request)
    async with room.database.transaction() as tx:
        row = await store.refresh_token(tx, digest(form.get("refresh_token", "")))
        if row is not None:
            await store.drop_family(tx, row["family"])
    return Response(status_code=204)


@reads.get("/identity/me")
async def me(by: Anyone, tx: InTransaction) -> Response:
    """Who you are here."""
    account = await store.account(tx, by.account)
    return json(
        {
            "login": by.account,
            "role": by.role,
            "fhirUser": by.fhir_user,
            "clinics": by.clinics,
            "organization": by.organization,
            "display": account.display if account else by.account,
        }
    )


@commands.post("/identity/signing-keys")
async def enrol(request: Request, by: MaySign, room: TheRoom) -> Response:
    """Enrol a signing key, with the password as fresh proof."""
    wanted = await _object(request)
    # A transaction of its own, so that a wrong password is counted although this command is then undone.
    async with room.database.transaction() as counted:
        proof = str(wanted.get("password", ""))
        checked = await signing_in.checked(counted, by.account, proof, now=room.clock.now())
    if isinstance(checked, Failure):
        raise checked
    shown = await enrolling.enrol(request.state.tx, wanted.get("jwk"), by=by, now=room.clock.now())
    return json(shown, status=201)


@reads.get("/identity/signing-keys/{kid}")
async def signing_key(kid: str, by: Anyone, tx: InTransaction) -> Response:
    """A key that signatures can be verified with."""
    return json(await enrolling.shown(tx, kid))


@commands.delete("/identity/signing-keys/{kid}")
async def revoke(kid: str, by: MaySign, tx: InTransaction, room: TheRoom) -> Response:
    """Revoke a signing key."""
    await enrolling.revoke(tx, kid, by=by, now=room.clock.now())
    return Response(status_code=204)


def principal_of(account: Account, *, token_id: str, expires_at: Any) -> Principal:
    """The principal that an account's token speaks of."""
    return Principal(
        account=account.login,
        role=Role(account.role),
        fhir_user=account.fhir_user,
        clinics=account.clinics,
        organization=account.organization,
        token_id=token_id,
        expires_at=expires_at,
    )


def _grant(request: Request, given: Mapping[str, Any]) -> Grant:
    grant = Grant(
        client_id=str(given.get("client_id", "")),
        redirect_uri=str(given.get("redirect_uri", "")),
        state=str(given.get("state", ""))[:512],
        challenge=str(given.get("code_challenge", ""))[:128],
    )
    if not grant.allowed(request.headers.get("x-yuzhen-origin", "")):
        raise ClientUnknown
    if not grant.challenge:
        raise GrantUnreadable
    return grant


def _language(request: Request, given: Mapping[str, Any]) -> str:
    wanted = str(given.get("ui_locales", "")) or request.headers.get("accept-language", "")
    return "zh-CN" if wanted.lower().startswith("zh") else "en"


def _page(grant: Grant, *, language: str, problem: str, status: int, login: str = "") -> Response:
    nonce = secrets.token_urlsafe(16)
    body = page.sign_in(grant, language=language, nonce=nonce, problem=problem, login=login)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
    return HTMLResponse(body, status_code=status, headers=headers)


async def _form(request: Request) -> Mapping[str, str]:
    return {
        name: value for name, value in (await request.form()).items() if isinstance(value, str) and "\0" not in value
    }


async def _object(request: Request) -> Mapping[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as wrong:
        raise Invalid from wrong
    if not isinstance(body, dict):
        raise Invalid
    return body
