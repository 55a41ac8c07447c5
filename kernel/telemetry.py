"""Logs and counters about the work, never about the people it is for."""

import logging
import sys
import traceback

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

REQUESTS = Counter(
    "yuzhen_requests_total", "Requests answered, by room, route template and status", ["room", "route", "status"]
)
SECONDS = Histogram("yuzhen_request_seconds", "Seconds from request to answer, by room", ["room"])
EVENTS = Counter("yuzhen_events_total", "Event deliveries, by consumer and outcome", ["consumer", "outcome"])

NOISY = ("aioice", "aiortc", "asyncio", "uvicorn.access", "celery.worker.strategy", "celery.app.trace", "celery.beat")

__all__ = ["CONTENT_TYPE_LATEST", "EVENTS", "REQUESTS", "SECONDS", "configure", "generate_latest", "place_of"]


def configure(room: str, *, level: str) -> None:
    """One line per log record, to standard output, with the room's name in front."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(f"%(asctime)s {room:<12} %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def place_of(error: BaseException) -> str:
    """An error's kind and where it rose, without its text: the text may quote a patient's data."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places or 'unknown place'}"
