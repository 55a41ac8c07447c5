"""Every setting of the platform, its meaning and its default, in one place.

A setting is read from the environment once, by the composition root, and handed on as a value.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Self


def setting(name: str, default: str, meaning: str) -> Any:
    """A field read from the environment variable `name`."""
    return field(default=default, metadata={"env": name, "meaning": meaning})


class SettingWrong(Exception):
    """A setting cannot be used as it stands."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings as text; the properties below give them their types."""

    state_folder: str = setting("YUZHEN_STATE", "var", "Folder of everything the platform keeps on this machine.")
    host: str = setting("YUZHEN_HOST", "127.0.0.1", "Address the gateway listens on; 0.0.0.0 opens it to the network.")
    port_number: str = setting("YUZHEN_PORT", "8080", "TCP port of the gateway.")
    public_url: str = setting("YUZHEN_URL", "", "Public address of the platform; empty: derived from host and port.")
    tls: str = setting("YUZHEN_TLS", "off", "'auto' serves HTTPS with a local certificate; 'off' serves plain HTTP.")
    media_address: str = setting(
        "YUZHEN_MEDIA_ADDRESS", "", "Comma-separated addresses under which browsers reach the media plane; empty: all."
    )
    media_port_number: str = setting("YUZHEN_MEDIA_PORT", "8189", "UDP port of the media plane; 0 takes a free one.")
    database: str = setting(
        "YUZHEN_DATABASE", "embedded", "'embedded', or postgresql://host:port/name of an own server."
    )
    database_admin: str = setting(
        "YUZHEN_DATABASE_ADMIN", "", "postgresql:// address with a role that may create roles; used by migrate alone."
    )
    redis: str = setting("YUZHEN_REDIS", "embedded", "'embedded', or redis:// address of an own Redis or Valkey.")
    rooms: str = setting("YUZHEN_ROOMS", "unix", "'unix', or how a room is reached, such as http://{room}:8000.")
    listen: str = setting("YUZHEN_LISTEN", "unix", "'unix', or the host:port on which this room listens.")
    rtc_control: str = setting("YUZHEN_RTC_CONTROL", "unix", "'unix', or tcp:host:port of the media node's commands.")
    secrets_folder: str = setting("YUZHEN_SECRETS", "", "Folder of secret files; by default inside the state folder.")
    token_file: str = setting(
        "YUZHEN_TOKEN_FILE", "", "File with the access token of 'yuzhen load'; empty: one is made with the secrets."
    )
    mode: str = setting("YUZHEN_MODE", "demo", "'demo' or 'production'; production refuses demo data and demo secrets.")
    clock_offset: str = setting("YUZHEN_CLOCK_OFFSET", "0", "Seconds added to the machine's clock, for rehearsals.")
    clock_tolerance: str = setting(
        "YUZHEN_CLOCK_TOLERANCE", "0", "Seconds by which the clocks of the rooms' machines may differ; one machine: 0."
    )
    log_level: str = setting("YUZHEN_LOG_LEVEL", "INFO", "Least severe log line to keep.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings as this process finds them. Raises SettingWrong with the name of the faulty one."""
        given = {f.name: environment[f.metadata["env"]] for f in fields(cls) if environment.get(f.metadata["env"])}
        settings = cls(**given)
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        for name, value in (("YUZHEN_PORT", self.port_number), ("YUZHEN_MEDIA_PORT", self.media_port_number)):
            if not value.isdigit() or int(value) > 65535:
                raise SettingWrong(f"{name} must be a port number between 0 and 65535.")
        if self.mode not in {"demo", "production"}:
            raise SettingWrong("YUZHEN_MODE must be 'demo' or 'production'.")
        if self.tls not in {"auto", "off"}:
            raise SettingWrong("YUZHEN_TLS must be 'auto' or 'off'.")
        for name, value in (
            ("YUZHEN_CLOCK_OFFSET", self.clock_offset),
            ("YUZHEN_CLOCK_TOLERANCE", self.clock_tolerance),
        ):
            try:
                float(value)
            except ValueError as wrong:
                raise SettingWrong(f"{name} must be a number of seconds.") from wrong

    @property
    def state(self) -> Path:
        return Path(self.state_folder).absolute()

    @property
    def secrets(self) -> Path:
        return Path(self.secrets_folder).absolute() if self.secrets_folder else self.state / "secrets"

    @property
    def runtime(self) -> Path:
        """Folder of the sockets: short, since a socket's path may have 107 bytes at most."""
        name = hashlib.sha256(str(self.state).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"yuzhen-{os.getuid()}-{name}"

    @property
    def port(self) -> int:
        return int(self.port_number)

    @property
    def media_port(self) -> int:
        return int(self.media_port_number)

    @property
    def media_addresses(self) -> list[str]:
        return [part.strip() for part in self.media_address.split(",") if part.strip()]

    @property
    def address(self) -> str:
        """Where people find the platform."""
        scheme = "https" if self.tls == "auto" else "http"
        shown = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104 - compared, not bound
        return self.public_url or f"{scheme}://{shown}:{self.port}"

    @property
    def issuer(self) -> str:
        return self.address

    @property
    def offset(self) -> timedelta:
        return timedelta(seconds=float(self.clock_offset))

    @property
    def tolerance(self) -> timedelta:
        return timedelta(seconds=float(self.clock_tolerance))

    @property
    def demo(self) -> bool:
        return self.mode == "demo"

    def secret(self, name: str) -> str:
        """A secret by its file name. Raises SettingWrong when it was never made."""
        try:
            return (self.secrets / name).read_text().strip()
        except FileNotFoundError:
            raise SettingWrong(f"The secret '{name}' is missing: run 'yuzhen migrate' first.") from None

    def database_url(self, role: str) -> str:
        """The address at which a role reaches the record, in SQLAlchemy's spelling."""
        password = self.secret(f"db-{role}")
        if self.database == "embedded":
            return f"postgresql+asyncpg://{role}:{password}@/yuzhen?host={self.runtime / 'pg'}"
        place = self.database.removeprefix("postgresql://")
        return f"postgresql+asyncpg://{role}:{password}@{place}"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.runtime}/valkey.sock" if self.redis == "embedded" else self.redis

    def room_address(self, room: str) -> tuple[str, str | None]:
        """A room's base address, and its socket when it is reached by one."""
        if self.rooms == "unix":
            return f"http://{room}", str(self.runtime / f"{room}.sock")
        return self.rooms.format(room=room), None

    @property
    def rtc_address(self) -> str:
        return f"unix:{self.runtime}/rtc.sock" if self.rtc_control == "unix" else self.rtc_control
