"""Chromium with a fake camera and microphone, and each person's own window in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tools import browser

FLAGS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
]
PATIENCE_MS = 20_000
DESK = (1200, 900)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, for as long as the block runs."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser.find(), args=FLAGS)
        yield running
        running.close()


class Window:
    """A window with its own cookies and storage; what went wrong in it is kept in `complaints`."""

    def __init__(self, chromium: Browser, home: str, language: str) -> None:
        width, height = DESK
        context = chromium.new_context(locale=language, viewport={"width": width, "height": height})
        context.set_default_timeout(PATIENCE_MS)
        self.home = home
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self._stormy = False
        self._times_ready = 0
        self._watch()

    def at(self, testid: str) -> Locator:
        """What carries this mark on the page."""
        return self.page.get_by_test_id(testid)

    def press(self, testid: str) -> None:
        """Press a button or follow a link."""
        self.at(testid).click()

    def fill(self, testid: str, words: str) -> None:
        """Write into a field."""
        self.at(testid).fill(words)

    @contextmanager
    def finding_back(self) -> Iterator[None]:
        """The live connection is lost within the block; after it, a new one stands."""
        before = self._times_ready
        with self.weathering_a_storm():
            yield
            for _ in range(PATIENCE_MS // 100):
                if self._times_ready > before:
                    return
                self.page.wait_for_timeout(100)
            raise AssertionError("the live connection did not come back")

    @contextmanager
    def weathering_a_storm(self) -> Iterator[None]:
        """For as long as the block runs, lost connections are nobody's fault."""
        self._stormy = True
        try:
            yield
        finally:
            self._stormy = False

    def picture(self, name: str) -> None:
        """Keep a picture of the window for the documentation, when `YUZHEN_SCREENSHOTS` names a folder."""
        if folder := os.environ.get("YUZHEN_SCREENSHOTS"):
            self.page.evaluate("scrollTo(0, 0)")
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True, animations="disabled")

    def _watch(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._complain(f"the page broke: {error}"))
        self.page.on("request", self._asked)
        self.page.on("requestfailed", self._lost)
        self.page.on("response", self._answered)
        self.page.on("websocket", lambda live: live.on("framereceived", self._heard))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complain(f"the console says: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.home, "blob:", "data:")):
            self.complaints.append(f"the page asks another origin: {request.url}")

    def _lost(self, request: Request) -> None:
        self._complain(f"{request.method} {request.url} failed: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._complain(f"{response.request.method} {response.url} was answered {response.status}")

    def _heard(self, word: str | bytes) -> None:
        self._times_ready += "ready" in str(word)

    def _complain(self, words: str) -> None:
        if not self._stormy:
            self.complaints.append(words)
