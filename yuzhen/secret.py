"""Secrets of this installation: made once by chance, kept in files only the owner can read."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from joserfc.jwk import ECKey


def ensure(folder: Path, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
    """The secret of this name, made now if it never was. The file appears whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        draft = folder / f".{name}.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    return path.read_text().strip()


def signing_key() -> str:
    """A fresh ES256 key as PEM, for identity's tokens."""
    return ECKey.generate_key("P-256").as_pem(private=True).decode()
