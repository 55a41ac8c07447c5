"""A resource changed in part: JSON Patch (RFC 6902) and merge patch (RFC 7396), in bounded time, decimals as written.

https://hl7.org/fhir/R4/http.html#patch
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from jsonpatch import InvalidJsonPatch, JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import JsonPointer, JsonPointerException

from kernel.failures import TooLarge
from kernel.http import LARGEST_BODY
from record.failures import PatchMediaUnknown, PatchTestFailed, PatchTooLarge, PatchUnfit, PatchUnreadable
from record.validation.parsing import DEEPEST

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

MOST_OPERATIONS = 500
LONGEST_PATH = 1000
DEEPEST_PATH = 2 * DEEPEST
MOST_COPIED = 1024 * 1024
"""Letters that all `copy` and `move` operations of a patch may carry about, each element counting for 16 besides."""
EACH = 16


class Written(Decimal):
    """A decimal that remembers how it was written: 1.00 stays 1.00, and equals 1."""

    text: str


def _written(text: str) -> Written:
    try:
        number = Written(text)
    except InvalidOperation:
        # An exponent beyond all reckoning: what a float makes of it serves to compare, the text is what is kept.
        number = Written(float(text))
    number.text = text
    return number


def _as_written(number: Any) -> msgspec.Raw:
    return msgspec.Raw(number.text.encode())


_decode = msgspec.json.Decoder(float_hook=_written).decode
_encode = msgspec.json.Encoder(enc_hook=_as_written).encode


def patched(body: bytes, patch: bytes, *, media_type: str) -> bytes:
    """The resource's bytes after the patch, not yet looked at as a resource.

    Raises PatchMediaUnknown, PatchUnreadable, PatchTooLarge, PatchTestFailed, PatchUnfit, TooLarge.
    """
    apply = WAYS.get(media_type.partition(";")[0].strip().lower())
    if apply is None:
        raise PatchMediaUnknown(headers={"Accept-Patch": f"{JSON_PATCH}, {MERGE_PATCH}"})
    after = _encode(apply(_decode(body), _read(patch)))
    if len(after) > LARGEST_BODY:
        raise TooLarge
    return after


def _read(patch: bytes) -> Any:
    try:
        content = _decode(patch)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PatchUnreadable("It is no readable JSON.") from None
    _weigh(content, deepest=2 * DEEPEST)
    return content


def _operations(document: Any, operations: Any) -> Any:
    """RFC 6902: one operation after the other, on a document that is ours alone."""
    if not isinstance(operations, list) or not operations:
        raise PatchUnreadable("A JSON Patch is an array of operations.")
    if len(operations) > MOST_OPERATIONS:
        raise PatchTooLarge(f"A patch may have {MOST_OPERATIONS} operations.")
    left = MOST_COPIED
    for place, operation in enumerate(operations):
        _check(operation, place)
        left -= _carried(document, operation)
        if left < 0:
            raise PatchTooLarge(f"Operation {place} would copy too much.")
        document = _applied(document, operation, place)
    return document


def _check(operation: Any, place: int) -> None:
    if not isinstance(operation, dict):
        raise PatchUnreadable(f"Operation {place} is no JSON object.")
    if not isinstance(operation.get("op"), str):
        raise PatchUnreadable(f"Operation {place} is none of RFC 6902.")
    for name in ("path", "from"):
        pointer = operation.get(name, "")
        if not isinstance(pointer, str) or len(pointer) > LONGEST_PATH or pointer.count("/") > DEEPEST_PATH:
            raise PatchUnreadable(f"Operation {place}: '{name}' is no usable JSON Pointer.")


def _carried(document: Any, operation: Mapping[str, Any]) -> int:
    """How heavy the value is that a copy or move takes along. Raises PatchTooLarge."""
    if operation.get("op") not in {"copy", "move"} or "from" not in operation:
        return 0
    try:
        value = JsonPointer(operation["from"]).resolve(document)
    except JsonPointerException:
        return 0
    return _weigh(value, deepest=2 * DEEPEST)


def _applied(document: Any, operation: Mapping[str, Any], place: int) -> Any:
    try:
        return JsonPatch([operation]).apply(document, in_place=True)
    except JsonPatchTestFailed:
        raise PatchTestFailed(f"Operation {place}.") from None
    except InvalidJsonPatch:
        raise PatchUnreadable(f"Operation {place} is none of RFC 6902, or lacks a member.") from None
    except (JsonPatchException, JsonPointerException):
        raise PatchUnfit(f"Operation {place}.") from None


def _merged(document: Any, patch: Any) -> Any:
    """RFC 7396: what is null goes, what is an object is merged, all else takes the place of what was there."""
    if not isinstance(patch, dict):
        raise PatchUnreadable("A merge patch is a JSON object.")
    return _merge(document, patch)


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _either(document: Any, patch: Any) -> Any:
    """A client that says JSON alone: its shape tells the kind of patch."""
    return _operations(document, patch) if isinstance(patch, list) else _merged(document, patch)


WAYS: Mapping[str, Callable[[Any, Any], Any]] = {
    JSON_PATCH: _operations,
    MERGE_PATCH: _merged,
    "application/json": _either,
}


def _weigh(value: Any, *, deepest: int) -> int:
    """Letters of a JSON value, each element counting besides. Raises PatchTooLarge if it is too deep."""
    weight, level = 0, [value]
    for _ in range(deepest):
        below: list[Any] = []
        for one in level:
            weight += EACH
            if isinstance(one, dict):
                weight += sum(map(len, one))
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str):
                weight += len(one)
        if not below:
            return weight
        level = below
    raise PatchTooLarge(f"Values are nested more than {deepest} deep.")
