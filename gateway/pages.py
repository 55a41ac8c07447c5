"""The web client's files, with headers that let a page load nothing from elsewhere."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.failures import Unknown

DIST = Path(__file__).resolve().parent.parent / "web" / "dist"
FOR_EVER = "public, max-age=31536000, immutable"
HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; media-src 'self' blob:; "
        b"object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    # Nothing about a patient stays in a browser that others use, and no client takes an old answer for a new one.
    b"cache-control": b"no-store",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"camera=(self), microphone=(self), geolocation=()",
    b"cross-origin-opener-policy": b"same-origin",
}

router = APIRouter()


class PageUnknown(Unknown):
    """There is no such page. Start at the first page."""

    code = "page-unknown"


class ClientNotBuilt(Unknown):
    """The web client is not built yet. Run 'make web'."""

    code = "web-not-built"


@router.get("/")
async def first_page() -> Response:  # rule: guarded-routes because pages are public
    """The web client."""
    page = DIST / "index.html"
    if not page.is_file():
        raise ClientNotBuilt
    return FileResponse(page, headers={"Cache-Control": "no-cache"})


@router.get("/assets/{name}")
async def asset(name: str) -> Response:  # rule: guarded-routes because pages are public
    """A file of the web client; its name changes with its contents."""
    file = _built(DIST / "assets").get(name)
    if file is None:
        raise PageUnknown
    return FileResponse(file, headers={"Cache-Control": FOR_EVER})


@router.get("/mark.svg")
async def icon() -> Response:  # rule: guarded-routes because pages are public
    """The client's icon."""
    file = DIST / "mark.svg"
    if not file.is_file():
        raise PageUnknown
    return FileResponse(file, headers={"Cache-Control": FOR_EVER})


def _built(folder: Path) -> dict[str, Path]:
    """The files a build has left: a request chooses among these names and never makes a path."""
    return {file.name: file for file in folder.iterdir() if file.is_file()} if folder.is_dir() else {}


class SafeHeaders:
    """Adds the headers that keep pages and answers to themselves, unless an answer brings its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in HEADERS.items() if name not in present]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, safe if scope["type"] == "http" else send)
