"""What can befall a running platform in the middle of a visit, and what must be left of the visit afterwards."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from tests.support.platform import Platform

ROOMS = ("gateway", "identity", "patients", "appointments", "consult", "pharmacy")
PARTS = (*ROOMS, "rtc", "worker", "postgres", "valkey")
STEP = "✓"
KEPT = re.compile(r"│ ([A-Z][A-Za-z]+)(?: [^│]*)?│ ([A-Za-z0-9.-]{8,64}) +│")
FINDS_WITHIN = 30.0

Fault = Callable[[Platform], None]


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A visit in whose middle something fell."""

    code: int
    said: str
    token: str
    """The patient's access token."""
    acknowledged: Mapping[str, str]
    """Reference -> name, of everything the platform had acknowledged."""

    @property
    def passed(self) -> bool:
        return self.code == 0

    @property
    def ending(self) -> str:
        """Why it stopped, in a line."""
        return " ".join(self.said.rpartition("┘")[2].partition("Look at")[0].split()) or "passed"


def killing(part: str) -> Fault:
    """Kill -9 of one part."""
    return lambda platform: platform.kill(part)


def flushing(platform: Platform) -> None:
    """Valkey forgets everything at once."""
    redis = Redis.from_url(platform.settings.redis_url)
    with suppress(RedisError):
        redis.flushall()
    redis.close()


def disturbed(platform: Platform, fault: Fault, *, after_step: int, pause: float) -> Disturbed:
    """Play a visit; after so many steps and a pause in seconds, let the fault happen."""
    lines: list[str] = []
    token = platform.token("patient-001")
    with platform.start("demo") as demo:
        assert demo.stdout is not None
        fallen: threading.Timer | None = None
        for line in demo.stdout:
            lines.append(line)
            if fallen is None and sum(STEP in one for one in lines) >= after_step:
                fallen = threading.Timer(pause, fault, [platform])
                fallen.start()
        code = demo.wait()
    if fallen is None:
        raise AssertionError(f"the visit ended before step {after_step}: {''.join(lines)}")
    fallen.join()
    said = "".join(lines)
    return Disturbed(code, said, token, {f"{type_}/{id_}": type_ for type_, id_ in KEPT.findall(said)})


def lost(platform: Platform, visit: Disturbed) -> list[str]:
    """What the visit's patient was told is kept, and is not found."""
    return [one for one in visit.acknowledged if _status(platform, f"/fhir/{one}", visit.token) != 200]


def _status(platform: Platform, path: str, token: str) -> int:
    """The answer's status, once the platform is whole again."""
    deadline = time.monotonic() + FINDS_WITHIN
    while True:
        status = 0
        with suppress(OSError, http.client.HTTPException):
            door = http.client.HTTPConnection("127.0.0.1", platform.settings.port, timeout=10)
            door.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            status = door.getresponse().status
            door.close()
        if (status and status < 500) or time.monotonic() > deadline:
            return status
        time.sleep(0.2)
