"""Two Chromium pages in one call through the node: the browser most participants will bring."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright

from tests.consult.rtc.support import LocalNode, local_node

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--headless=new",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
    "--disable-background-networking",
]
PAGE = """<!doctype html><title>call</title><link rel="icon" href="data:,">
<video id="other" autoplay playsinline></video><canvas id="scene" width="640" height="480"></canvas><script>
let connection, sent = 0, at = 0
const patch = new ImageData(128, 96)
function noise() {
  crypto.getRandomValues(patch.data)
  for (let opaque = 3; opaque < patch.data.length; opaque += 4) patch.data[opaque] = 255
  scene.getContext("2d").putImageData(patch, Math.random() * 512, Math.random() * 384)
}
async function call(participant) {
  setInterval(noise, 50)
  const stream = await navigator.mediaDevices.getUserMedia({audio: true})
  stream.addTrack(scene.captureStream(20).getVideoTracks()[0])
  connection = new RTCPeerConnection()
  connection.ontrack = event => { other.srcObject = event.streams[0] }
  for (const track of stream.getTracks()) connection.addTransceiver(track, {streams: [stream]})
  await connection.setLocalDescription(await connection.createOffer())
  const answer = await fetch("/join/" + participant, {method: "POST", body: connection.localDescription.sdp})
  await connection.setRemoteDescription({type: "answer", sdp: await answer.text()})
  const sender = connection.getSenders().find(sender => sender.track.kind == "video")
  const parameters = sender.getParameters()
  parameters.degradationPreference = "maintain-resolution"
  await sender.setParameters(parameters)
}
async function measured() {
  const found = {frames: other.getVideoPlaybackQuality().totalVideoFrames, width: other.videoWidth}
  for (const report of (await connection.getStats()).values()) {
    const kind = report.type + " " + report.kind
    if (report.type == "candidate-pair" && report.nominated) found.estimate = report.availableOutgoingBitrate
    if (kind == "outbound-rtp video") {
      found.bitrate = (report.bytesSent - sent) * 8000 / (report.timestamp - at)
      sent = report.bytesSent
      at = report.timestamp
    }
    if (kind == "inbound-rtp audio") found.heard = report.totalAudioEnergy
    if (kind == "remote-inbound-rtp video") found.roundTrip = report.roundTripTime
  }
  return found
}
async function until(fulfilled) {
  for (;;) {
    const found = await measured()
    if (fulfilled(found)) return found
    await new Promise(done => setTimeout(done, 500))
  }
}
</script>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed on this machine"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium with a fake camera and microphone."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        await chromium.close()


async def test_two_browsers_see_one_another_and_the_bitrate_rises(browser: Browser) -> None:
    """Both pages decode the other's picture and sound, and feedback lets the video grow beyond 1 Mbit/s."""
    async with local_node() as node, Signalling(node) as url:
        pages = [await page_in_call(browser, url, who) for who in ("anna", "bo")]
        for condition in (
            "found.estimate > 1_000_000 && found.bitrate > 1_000_000",
            "found.frames > 60 && found.heard > 0",
            "found.roundTrip < 1",
        ):
            await asyncio.gather(*(until(page, condition) for page in pages))


async def test_a_page_that_reloads_is_seen_again(browser: Browser) -> None:
    """A participant that reloads its page comes back into the other's unchanged connection."""
    async with local_node() as node, Signalling(node) as url:
        anna, bo = [await page_in_call(browser, url, who) for who in ("anna", "bo")]
        await until(anna, "found.frames > 10")
        await bo.reload()
        await bo.evaluate("call('bo')")
        seen = (await anna.evaluate("measured()"))["frames"]
        await until(anna, f"found.frames > {seen + 30}")
        await until(bo, "found.frames > 30")


class Signalling:
    """A page and its signalling for as long as the block runs."""

    def __init__(self, node: LocalNode) -> None:
        self._node = node

    async def __aenter__(self) -> str:
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_post("/join/{participant}", self._join)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def _join(self, request: web.Request) -> web.Response:
        answer = self._node.worker.join("room", request.match_info["participant"], await request.text())
        return web.Response(text=answer)


async def page_in_call(browser: Browser, url: str, participant: str) -> Page:
    """A page of its own that has joined the room."""
    page = await browser.new_page()
    await page.goto(url)
    await page.evaluate(f"call('{participant}')")
    return page


async def until(page: Page, condition: str) -> dict[str, Any]:
    """Wait until what the page measures fulfils the condition, and give it."""
    async with asyncio.timeout(100):
        found: dict[str, Any] = await page.evaluate(f"until(found => {condition})")
        return found
