"""Makes the tables in this folder from HL7's published R4 definitions: `python -m record.definitions.derive FOLDER`.

FOLDER holds HL7's files as published (README.md says which). Run by hand when a definition changes; the product only
reads the result. https://hl7.org/fhir/R4/downloads.html
"""

import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).parent
SIMPLE = "http://hl7.org/fhir/StructureDefinition/SimpleQuantity"
PATH_TYPE = "http://hl7.org/fhirpath/System.String"
LARGEST_CODE_LIST = 800

Entry = dict[str, Any]


def main(folder: Path) -> None:
    """Write schema, element table and search parameters."""
    _keep("schema", _schema(folder))
    _keep("elements", dict(_elements(folder)))
    _keep("search", list(_search(folder)))


def _keep(name: str, content: Any) -> None:
    packed = lzma.compress(orjson.dumps(content), preset=9 | lzma.PRESET_EXTREME)
    (HERE / f"{name}.json.xz").write_bytes(packed)


def _resources(path: Path) -> Iterator[Entry]:
    for entry in orjson.loads(path.read_bytes())["entry"]:
        yield entry["resource"]


def _schema(folder: Path) -> Any:
    """HL7's schema without its prose.

    That complex elements are objects is said here; what is required stands in the element table, which knows
    primitives too. Contained resources are checked by their own type's schema instead.
    """
    schema = orjson.loads((folder / "fhir.schema.json").read_bytes())
    definitions = {name: _bare(body) for name, body in schema["definitions"].items()}
    for body in definitions.values():
        if "properties" in body:
            body["type"] = "object"
    for body in list(definitions.values()):
        _amend(body.get("properties", {}), definitions)
    definitions["ResourceList"] = {"type": "object", "required": ["resourceType"]}
    definitions["integer64"] = {}
    return definitions


def _amend(properties: dict[str, Entry], definitions: dict[str, Any]) -> None:
    """What HL7's schema forgets: what stands beside a canonical, and the nulls of arrays that keep step."""
    for name, element in list(properties.items()):
        if (element.get("items") or element).get("$ref") == "#/definitions/canonical":
            beside = {"$ref": "#/definitions/Element"}
            properties.setdefault(f"_{name}", {"type": "array", "items": beside} if "items" in element else beside)
    for element in properties.values():
        if "items" in element:
            element["items"] = _or_nothing(element["items"], definitions)


def _or_nothing(items: Entry, definitions: dict[str, Any]) -> Entry:
    """A primitive, or what stands beside one, may be null in an array, so that the two arrays keep step."""
    name = items.get("$ref", "").rpartition("/")[2]
    if "enum" in items:
        return {**items, "enum": [*items["enum"], None]}
    if name == "Element" or definitions.get(name, {}).get("type", "object") != "object":
        kind = definitions[name]["type"]
        definitions[f"{name}OrNull"] = {**definitions[name], "type": [kind, "null"]}
        return {"$ref": f"#/definitions/{name}OrNull"}
    return {**items, "type": [items["type"], "null"]} if "type" in items else items


def _bare(node: Any) -> Any:
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: ({name: _bare(sub) for name, sub in value.items()} if key == "properties" else _bare(value))
        for key, value in node.items()
        if key != "required" and (key != "description" or not isinstance(value, str))
    }


def _elements(folder: Path) -> Iterator[tuple[str, Entry]]:
    """For each type and backbone element: its elements with type, cardinality, codes and reference targets."""
    codes = _ValueSets(folder)
    for file in ("profiles-types.json", "profiles-resources.json"):
        for definition in _resources(folder / file):
            if definition["resourceType"] != "StructureDefinition" or definition.get("derivation") == "constraint":
                continue
            if definition["kind"] in {"complex-type", "resource"} and not definition["abstract"]:
                yield from _one(definition, codes).items()


def _one(definition: Entry, codes: "_ValueSets") -> dict[str, Entry]:
    table: dict[str, Entry] = {definition["type"]: {}}
    for element in definition["snapshot"]["element"][1:]:
        owner, _, name = element["path"].rpartition(".")
        if element["max"] == "0":
            continue
        for spelt, type_, targets in _types(element, name):
            entry: Entry = {"type": type_}
            if element["max"] != "1":
                entry["many"] = True
            if element["min"]:
                entry["least"] = element["min"]
            if name.endswith("[x]"):
                entry["choice"] = name[:-3]
            if targets:
                entry["targets"] = targets
            if element.get("isSummary"):
                entry["summary"] = True
            if any(kind.get("profile") == [SIMPLE] for kind in element.get("type", ())):
                entry["simple"] = True
            if allowed := codes.bound(element, type_):
                entry["codes"] = allowed
            table.setdefault(owner, {})[spelt] = entry
            if type_ == element["path"]:
                table.setdefault(type_, {})
    return table


def _types(element: Entry, name: str) -> Iterator[tuple[str, str, list[str]]]:
    if reference := element.get("contentReference"):
        yield name, reference.partition("#")[2], []
        return
    for choice in element["type"]:
        code = "string" if choice["code"] == PATH_TYPE else choice["code"]
        for extension in choice.get("extension", ()):
            code = extension.get("valueUrl", code)
        backbone = code in {"BackboneElement", "Element"}
        targets = sorted({url.rpartition("/")[2] for url in choice.get("targetProfile", ())} - {"Resource"})
        spelt = name.replace("[x]", code[0].upper() + code[1:])
        yield spelt, element["path"] if backbone else code, targets if code in {"Reference", "canonical"} else []


class _ValueSets:
    """The codes a required binding allows, where they can be counted."""

    def __init__(self, folder: Path) -> None:
        self._sets: dict[str, Entry] = {}
        self._systems: dict[str, Entry] = {}
        for file in ("valuesets.json", "v3-codesystems.json"):
            for resource in _resources(folder / file):
                kept = {"ValueSet": self._sets, "CodeSystem": self._systems}.get(resource["resourceType"])
                if kept is not None:
                    kept[resource["url"]] = resource

    def bound(self, element: Entry, type_: str) -> dict[str, list[str]] | None:
        """System -> codes, or None when the binding is open or cannot be counted."""
        binding = element.get("binding", {})
        if binding.get("strength") != "required" or type_ not in {"code", "Coding", "CodeableConcept"}:
            return None
        allowed = self._expand(binding.get("valueSet", "").partition("|")[0])
        if allowed is None or sum(map(len, allowed.values())) > LARGEST_CODE_LIST:
            return None
        return allowed

    def _expand(self, url: str) -> dict[str, list[str]] | None:
        compose = self._sets.get(url, {}).get("compose")
        if not compose or compose.get("exclude"):
            return None
        allowed: dict[str, list[str]] = {}
        for part in compose["include"]:
            listed = self._included(part)
            if listed is None:
                return None
            for system, codes in listed.items():
                allowed.setdefault(system, []).extend(codes)
        return allowed

    def _included(self, part: Entry) -> dict[str, list[str]] | None:
        if part.get("filter"):
            return None
        if "system" not in part:
            return self._expand(part["valueSet"][0].partition("|")[0]) if len(part.get("valueSet", ())) == 1 else None
        if concepts := part.get("concept"):
            return {part["system"]: [concept["code"] for concept in concepts]}
        system = self._systems.get(part["system"], {})
        if system.get("content") != "complete":
            return None
        return {part["system"]: list(_codes(system.get("concept", ())))}


def _codes(concepts: Any) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _codes(concept.get("concept", ()))


def _search(folder: Path) -> Iterator[Entry]:
    """HL7's search parameters: code, type, bases, expression, targets, and a composite's components."""
    kept_as_is = ("code", "type", "base", "expression", "target", "url", "component")
    for parameter in _resources(folder / "search-parameters.json"):
        kept: Entry = {key: parameter[key] for key in kept_as_is if key in parameter}
        if len(kept.get("target", ())) > 100:
            del kept["target"]
        yield kept


if __name__ == "__main__":
    main(Path(sys.argv[1]))
