"""A search parameter's walk as SQL/JSON paths over the stored bytes, for what stands in no index row.

https://www.postgresql.org/docs/15/functions-json.html#FUNCTIONS-SQLJSON-PATH
"""

from collections.abc import Iterator

import orjson

from record.compartment import ABOUT
from record.index.parameters import Parameter
from record.index.paths import Path, Step
from record.search.sql import Arguments

BODY = "convert_from({row}.body, 'UTF8')::jsonb"
ID = "[A-Za-z0-9.-]{1,64}"
LOCAL = f"^([A-Z][A-Za-z]+/{ID})(?:/_history/{ID})?$"
KEY = "('x' || left(md5({prefix} || {row}.patient), 16))::bit(64)::bigint"
INNER = {
    "CodeableConcept": ("coding", "code"),
    "Coding": ("code",),
    "Identifier": ("value",),
    "ContactPoint": ("value",),
    "Reference": ("reference",),
}
"""The element inside a data type that is compared."""


def jsonpath(path: Path) -> str:
    """The walk, to the part that is compared, each element of a list on its own."""
    inner = (Step(name) for name in INNER.get(path.type, ()))
    return "$" + "".join(f".{_quoted(step.name)}{_kept(step)}" for step in (*path.steps, *inner)) + "[*]"


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _kept(step: Step) -> str:
    if step.is_a is not None:
        named = f"^{step.is_a}/{ID}(/_history/{ID})?$|/{step.is_a}/{ID}$"
        typed = f"^[A-Z][A-Za-z]+/{ID}(/_history/{ID})?$|/[A-Z][A-Za-z]+/{ID}$"
        says = f'(@."type" == "{step.is_a}" && !(@."reference" like_regex "{typed}"))'
        return f' ? (@."reference" like_regex "{named}" || {says})'
    return f" ? (@.{_quoted(step.where[0])} == {_quoted(step.where[1])})" if step.where else ""


def values(parameter: Parameter, arguments: Arguments, *, row: str) -> str:
    """A query for the codes, addresses or references of a row, as texts `v`."""
    body = BODY.format(row=row)
    return " union all ".join(
        f"select {text} as v from {source}"  # noqa: S608 - declared names
        for path in parameter.paths
        for text, source in _texts(path, body, arguments)
    )


def _texts(path: Path, body: str, arguments: Arguments) -> Iterator[tuple[str, str]]:
    if path.is_so:
        so = " or ".join(_is_so(name, body, arguments) for name in path.is_so)
        yield f"case when {so} then 'true' else 'false' end", "(select 1) one"
        return
    found = f"jsonb_path_query({body}, {arguments.add(jsonpath(path), 'text')}::jsonpath) j"
    if path.type == "Reference":
        yield (
            f"coalesce(substring(j #>> '{{}}' from '{LOCAL}'), j #>> '{{}}')",
            f"{found} where j #>> '{{}}' not like '#%'",
        )
    else:
        yield "j #>> '{}'", found


def _is_so(name: str, body: str, arguments: Arguments) -> str:
    there = arguments.add(f"$.{_quoted(name)}", "text")
    no = arguments.add(f"$.{_quoted(name)} ? (@ == false)", "text")
    return f"(jsonb_path_exists({body}, {there}::jsonpath) and not jsonb_path_exists({body}, {no}::jsonpath))"


def references(parameter: Parameter, target: str, arguments: Arguments, *, row: str) -> str:
    """A query for the ids of the target type that a row refers to; the row's own patient without a look inside."""
    paths = [path for path in parameter.paths if path.type == "Reference" and _may_be(path, target)]
    whole = arguments.add(f"^{target}/({ID})(?:/_history/{ID})?$", "text")
    own = target == "Patient" and any(_is_about(path, parameter.type) for path in paths)
    inside = f" where {row}.patient is null" if own else ""
    found = [
        f"select substring(j #>> '{{}}' from {whole})"  # noqa: S608 - declared names and numbered arguments
        f" from jsonb_path_query({BODY.format(row=row)}, {arguments.add(jsonpath(path), 'text')}::jsonpath) j{inside}"
        for path in paths
    ]
    if own:
        prefix = arguments.add(f"{parameter.type}.{parameter.code}=Patient/", "text")
        found.append(f"select {row}.patient where {KEY.format(prefix=prefix, row=row)} = any({row}.keys)")
    return " union all ".join(found or ["select null::text where false"])


def _may_be(path: Path, target: str) -> bool:
    return path.steps[-1].is_a in {None, target}


def _is_about(path: Path, type_: str) -> bool:
    return ".".join(step.name for step in path.steps) == ABOUT.get(type_)
