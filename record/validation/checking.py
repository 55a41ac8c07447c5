"""Whether a resource follows FHIR R4: HL7's JSON schema first, then what a schema cannot say.

Answers name places and what is expected there, never the value found. https://hl7.org/fhir/R4/validation.html
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

import jsonschema_rs

from kernel.failures import Failure
from record import definitions
from record.failures import CodeInvalid, IdMismatch, InvariantBroken, ResourceInvalid
from record.validation.parsing import parsed
from record.validation.structure import broken

MOST_ISSUES = 20
LARGE = 100_000
MOST_OPTIONS = 30
ELEMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def check(body: bytes, *, type: str) -> dict[str, Any]:
    """The resource in `body`, found sound.

    Raises NotJson, IdMismatch, ResourceInvalid, CodeInvalid, InvariantBroken.
    """
    resource = parsed(body)
    if resource.get("resourceType") != type:
        raise IdMismatch(f"The body must be a {type}.", expression=type)
    faults = faults_of(resource, brief=len(body) > LARGE)
    if faults:
        raise together(faults)
    return resource


def faults_of(resource: dict[str, Any], *, brief: bool = False) -> list[Failure]:
    """Everything wrong with a parsed resource, 20 faults at most; rules are looked at only in a sound structure.

    `brief` stops at the first fault of the schema: listing every fault of a large body costs seconds.
    """
    faults = list(islice(_against_schema(resource, resource["resourceType"], brief=brief), MOST_ISSUES))
    if faults:
        return faults
    found = broken(resource, contained=_contained_schema)
    return sorted(found, key=lambda fault: isinstance(fault, InvariantBroken))[:MOST_ISSUES]


def prepare(types: Iterable[str]) -> None:
    """Compile what these types need, before the process forks."""
    definitions.elements()
    for type_ in types:
        _validator(type_)


def together(faults: list[Failure]) -> Failure:
    """Several faults as one failure that names them all."""
    first, *others = faults
    first.others = tuple(others)
    return first


def _written(kind: str) -> str:
    """How dates and times are written, to be said where one is not."""
    ways = {
        "datetime": "2026, 2026-11, 2026-11-25 or 2026-11-25T08:00:00+08:00",
        "date": "2026, 2026-11 or 2026-11-25",
        "instant": "2026-11-25T08:00:00+08:00",
    }
    return next((f" Write {way}." for name, way in ways.items() if kind.lower().endswith(name)), "")


def _contained_schema(resource: dict[str, Any], place: str) -> Iterator[Failure]:
    type_ = resource["resourceType"]
    schema = definitions.schemas().get(type_, {}) if isinstance(type_, str) else {}
    if "resourceType" not in schema.get("properties", {}):
        yield ResourceInvalid("There is no such resource type.", expression=place)
        return
    yield from _against_schema(resource, place, brief=True)


def _against_schema(resource: dict[str, Any], root: str, *, brief: bool = False) -> Iterator[Failure]:
    validator = _validator(resource["resourceType"])
    if not brief:
        for error in validator.iter_errors(resource):
            yield from _failures(error, root)
        return
    try:
        validator.validate(resource)
    except jsonschema_rs.ValidationError as error:
        yield from _failures(error, root)


@cache
def _validator(type_: str) -> Any:
    return jsonschema_rs.Draft7Validator(
        {"$ref": f"#/definitions/{type_}", "definitions": definitions.needed_by([type_])},
        # The linear-time engine: no pattern can be made to search for ever.
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def _failures(error: Any, root: str) -> Iterator[Failure]:
    place = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    match error.kind.name:
        case "additionalProperties":
            for name in error.kind.unexpected:
                shown = f"'{name}'" if ELEMENT_NAME.fullmatch(name) else "A name"
                yield ResourceInvalid(f"{shown} is no element here.", expression=place)
        case "required":
            yield ResourceInvalid(f"'{error.kind.property}' is missing.", expression=place)
        case "enum":
            options = [str(option) for option in error.kind.options[:MOST_OPTIONS] if option is not None]
            yield CodeInvalid(f"Allowed: {', '.join(options)}.", expression=place)
        case "pattern":
            kind = str(error.schema_path[-2]).removesuffix("OrNull")
            yield ResourceInvalid(f"This is no well-formed {kind}.{_written(kind)}", expression=place)
        case "type":
            yield ResourceInvalid(f"This must be of JSON type {error.kind.types[0]}.", expression=place)
        case kind:
            yield ResourceInvalid(f"This does not fit ({kind}).", expression=place)
