"""The FHIR interface as an OpenAPI 3.1 document, made of the CapabilityStatement and HL7's own JSON schemas.

https://spec.openapis.org/oas/v3.1.1.html
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kernel.http import FHIR_JSON
from record import definitions
from record.interactions.negotiation import FORM

Node = dict[str, Any]
Resource = Mapping[str, Any]
Shapes = Mapping[str, Node]
SCHEMAS = "#/components/schemas/"
PLACES: Mapping[str, tuple[str, str]] = {
    "read": ("get", "/{id}"),
    "vread": ("get", "/{id}/_history/{vid}"),
    "history-instance": ("get", "/{id}/_history"),
    "history-type": ("get", "/_history"),
    "history-system": ("get", "/_history"),
    "search-type": ("get", ""),
    "create": ("post", ""),
    "update": ("put", "/{id}"),
    "patch": ("patch", "/{id}"),
    "delete": ("delete", "/{id}"),
    "transaction": ("post", "/"),
    "batch": ("post", "/"),
}
"""Interaction -> method, and what follows the type in the address."""
BY_CRITERIA = {"update": "conditionalUpdate", "delete": "conditionalDelete"}
"""Interactions that are offered at the type's address too, with criteria, if the flag says so."""
SHAPES: Shapes = {
    "search-text": {"type": "string", "minLength": 1},
    "search-date": {"type": "string", "pattern": "^(eq|ne|gt|ge|lt|le|sa|eb|ap)?[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?"},
    "search-number": {"type": "string", "pattern": "^(eq|ne|gt|ge|lt|le|sa|eb|ap)?[-+]?[0-9]+([.][0-9]+)?"},
    "json-patch": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "properties": {
                "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                "path": {"type": "string"},
                "from": {"type": "string"},
                "value": {},
            },
        },
    },
    "merge-patch": {"type": "object"},
}
KINDS = {"date": "search-date", "number": "search-number", "quantity": "search-number"}
PRESENTATION: Shapes = {
    "_format": {"type": "string", "enum": ["json", "application/json", FHIR_JSON]},
    "_pretty": {"type": "string", "enum": ["true", "false"]},
}
COUNT: Shapes = {"_count": {"type": "integer", "minimum": 0}}
OF_A_SEARCH: Shapes = {
    **COUNT,
    "_sort": {"type": "string"},
    "_total": {"type": "string", "enum": ["none", "estimate", "accurate"]},
    "_include": {"type": "string"},
    "_revinclude": {"type": "string"},
    **PRESENTATION,
}
OF_A_HISTORY: Shapes = {**COUNT, "_since": {"$ref": f"{SCHEMAS}instant"}, **PRESENTATION}


def document(statement: Resource, operations: Iterable[Resource]) -> Node:
    """The OpenAPI document of what a CapabilityStatement says, with its OperationDefinitions."""
    rest = statement["rest"][0]
    paths: dict[str, Node] = {"/metadata": {"get": {"security": [], **_answers("CapabilityStatement")}}}
    for resource in rest["resource"]:
        for path, method, offered in _of_type(resource, statement.get("patchFormat", ())):
            paths.setdefault(path, {})[method] = offered
    for interaction in rest.get("interaction", ()):
        method, path = PLACES[interaction["code"]]
        body = _body("Bundle") if method == "post" else {"parameters": list(_in_query(OF_A_HISTORY))}
        paths.setdefault(path, {})[method] = body | _answers("Bundle")
    for path, method, offered in _of_operations(operations):
        paths.setdefault(path, {})[method] = offered
    return {
        "openapi": "3.1.0",
        "info": {"title": statement["name"], "version": statement["fhirVersion"]},
        "servers": [{"url": statement["implementation"]["url"]}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": {**SHAPES, **_schemas({*definitions.references(paths), "OperationOutcome"})},
            "responses": {"Refused": {"description": "What is wrong, and what to do.", **_content("OperationOutcome")}},
        },
    }


def _of_type(resource: Resource, patches: Iterable[str]) -> Iterator[tuple[str, str, Node]]:
    type_ = resource["type"]
    for code in (one["code"] for one in resource.get("interaction", ())):
        method, after = PLACES[code]
        offered = _interaction(code, type_, patches)
        if code == "search-type":
            shapes = {**_searched(resource), **OF_A_SEARCH}
            yield f"/{type_}/_search", "post", _form(shapes) | _answers("Bundle")
            offered["parameters"] = list(_in_query(shapes))
        yield f"/{type_}{after}", method, {"parameters": list(_in_path(after)), **offered}
        if resource.get(BY_CRITERIA.get(code, "")) not in {None, False, "not-supported"}:
            yield f"/{type_}", method, {**offered, "parameters": list(_in_query(_searched(resource)))}


def _interaction(code: str, type_: str, patches: Iterable[str]) -> Node:
    if code in {"create", "update"}:
        return _body(type_) | _answers(type_, 200, 201)
    if code == "patch":
        shape = {form: "json-patch" if "json-patch" in form else "merge-patch" for form in patches}
        content = {form: {"schema": {"$ref": SCHEMAS + name}} for form, name in shape.items()}
        return {"requestBody": {"required": True, "content": content}} | _answers(type_)
    if code == "delete":
        return _answers("OperationOutcome", 200, 204)
    return _answers("Bundle" if code.startswith(("history", "search")) else type_)


def _of_operations(operations: Iterable[Resource]) -> Iterator[tuple[str, str, Node]]:
    """A command is sent; a question may be asked by its address, too."""
    for operation in operations:
        listed = operation.get("parameter", ())
        shapes: Shapes = {one["name"]: {"type": "string"} for one in listed if one["use"] == "in"}
        result = [one["type"] for one in listed if one["use"] == "out" and one["name"] == "return"]
        answers = _answers(result[0] if result else "Parameters", 200, 201)
        for type_ in operation.get("resource", [""]):
            for after in [""] * (operation["type"] or operation["system"]) + ["/{id}"] * operation["instance"]:
                path = f"{'/' * bool(type_)}{type_}{after}/${operation['code']}"
                yield (
                    path,
                    "post",
                    {"parameters": list(_in_path(after)), **_body("Parameters", required=False), **answers},
                )
                if not operation["affectsState"]:
                    yield path, "get", {"parameters": [*_in_path(after), *_in_query(shapes)], **answers}


def _in_path(after: str) -> Iterator[Node]:
    for name in ("id", "vid"):
        if f"{{{name}}}" in after:
            yield {"name": name, "in": "path", "required": True, "schema": {"$ref": f"{SCHEMAS}id"}}


def _in_query(shapes: Shapes) -> Iterator[Node]:
    for name, shape in shapes.items():
        yield {"name": name, "in": "query", "schema": shape}


def _searched(resource: Resource) -> Shapes:
    listed = resource.get("searchParam", ())
    return {one["name"]: {"$ref": SCHEMAS + KINDS.get(one["type"], "search-text")} for one in listed}


def _content(type_: str) -> Node:
    return {"content": {FHIR_JSON: {"schema": {"$ref": SCHEMAS + type_}}}}


def _body(type_: str, *, required: bool = True) -> Node:
    return {"requestBody": {"required": required, **_content(type_)}}


def _form(shapes: Shapes) -> Node:
    return {"requestBody": {"content": {FORM: {"schema": {"type": "object", "properties": dict(shapes)}}}}}


def _answers(type_: str, *statuses: int) -> Node:
    done = {str(status): {"description": "Done.", **_content(type_)} for status in statuses or (200,) if status != 204}
    if 204 in statuses:
        done["204"] = {"description": "Done."}
    return {"responses": {**done, "default": {"$ref": "#/components/responses/Refused"}}}


def _schemas(types: Iterable[str]) -> dict[str, Any]:
    """HL7's schemas of those names that are types, at their place in this document."""
    needed = definitions.needed_by(definitions.schemas().keys() & set(types))
    return {name: _moved(needed[name]) for name in sorted(needed)}


def _moved(node: Any) -> Any:
    if isinstance(node, list):
        return [_moved(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: SCHEMAS + value.rpartition("/")[2] if name == "$ref" and isinstance(value, str) else _moved(value)
        for name, value in node.items()
    }
