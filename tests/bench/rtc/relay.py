"""aiortc's own MediaRelay as a two-party server, to compare the node with; offers and answers are lines of JSON."""

import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from tests.bench.rtc.callers import use_loopback


async def main() -> None:
    """Answer each offer from standard input; join the two participants of a room."""
    use_loopback()
    relay, rooms = MediaRelay(), dict[str, list[RTCPeerConnection]]()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        connection = RTCPeerConnection()
        await connection.setRemoteDescription(RTCSessionDescription(request["offer"], "offer"))
        for transceiver in connection.getTransceivers():
            transceiver.direction = "sendrecv"
        present = rooms.setdefault(request["room"], [])
        for other in present:
            for ours, theirs in zip(connection.getTransceivers(), other.getTransceivers(), strict=True):
                ours.sender.replaceTrack(relay.subscribe(theirs.receiver.track))
                theirs.sender.replaceTrack(relay.subscribe(ours.receiver.track))
        present.append(connection)
        await connection.setLocalDescription(await connection.createAnswer())
        sys.stdout.write(json.dumps(connection.localDescription.sdp) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
