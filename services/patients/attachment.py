"""What may be attached to a document: few plain kinds of file, small, and really what they say they are."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from services.patients import policy

BEGINNINGS = {"application/pdf": b"%PDF-", "image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}


def is_usable(attachment: Mapping[str, Any]) -> bool:
    """Whether an Attachment can be kept (https://hl7.org/fhir/R4/datatypes.html#Attachment)."""
    kind = str(attachment.get("contentType", "")).partition(";")[0].strip().lower()
    if "url" in attachment or kind not in policy.UPLOAD_TYPES:
        return False
    content = _content(str(attachment.get("data", "")))
    if not 0 < len(content) <= policy.LARGEST_UPLOAD or attachment.get("size", len(content)) != len(content):
        return False
    return content.startswith(BEGINNINGS[kind]) if kind in BEGINNINGS else _is_text(content)


def _content(data: str) -> bytes:
    try:
        return b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
