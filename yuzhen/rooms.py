"""The rooms of the house and where each one's application is made: the composition root knows them all."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from fastapi import FastAPI

from kernel.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("identity", "patients", "appointments", "consult", "pharmacy")
HTTP_ROOMS = ("gateway", *SERVICES)
ROLES = (*SERVICES, "gateway")
"""Database roles that sign in; each service also has a reader role `<service>_patient`."""


def package(room: str) -> str:
    """The import path of a room's package."""
    return "gateway" if room == "gateway" else f"services.{room}"


def application(room: str, settings: Settings) -> FastAPI:
    """The room's application, ready to be served."""
    create: Callable[[Settings], FastAPI] = import_module(f"{package(room)}.app").create_app
    return create(settings)


def migrations(room: str) -> Path:
    """Folder of the room's schema changes."""
    return ROOT.joinpath(*package(room).split("."), "migrations")
