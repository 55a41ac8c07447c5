"""What is to be loaded, from where, and in whose name."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kernel.settings import Settings
from yuzhen.load.files import NothingToRead, Source, sources
from yuzhen.token import TokenRefused, system_token

ACCOUNT = "yuzhen-load"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/\-]{0,99}")


class WishWrong(Exception):
    """The load cannot begin as it was asked for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One load."""

    sources: Sequence[Source]
    address: str
    token: Callable[[], str]
    report: Path
    name: str = ""
    """Name of the system the files come from; its ids are then derived, and `meta.source` says it."""
    at_once: int = 4
    trusted: bool = False
    """The address is this machine's own, with a certificate it made itself."""


def wish_for(
    settings: Settings, paths: Sequence[str], *, name: str, report: Path, to: str, token_file: str, at_once: int
) -> Wish:
    """The load a command line asks for. Raises WishWrong."""
    if name and not NAME.fullmatch(name):
        raise WishWrong("The source's name is an address or a word, such as https://his.example or old-his.")
    try:
        token = system_token(replace(settings, token_file=token_file or settings.token_file), ACCOUNT)
        found = sources(paths)
    except (NothingToRead, TokenRefused) as wrong:
        raise WishWrong(str(wrong)) from wrong
    own = not to and settings.tls == "auto"
    return Wish(found, to or settings.address, token, report, name, at_once, trusted=own)
