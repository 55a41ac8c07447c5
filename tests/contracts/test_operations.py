"""What an operation says it takes is what its code reads."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.settings import Settings
from record.conformance.capability import OPERATION_NAME, operation_of, served
from record.interactions.operations import OPERATION
from yuzhen.rooms import HTTP_ROOMS, ROOT, application, package

DECLARING = {"operation", "needs", "takes", "gives"}


def words(file: Path) -> Iterator[str]:
    """Every text in a file but those with which operations are declared."""
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DECLARING:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("room", HTTP_ROOMS)
def test_declared_parameters_are_read(room: str, tmp_path: Path) -> None:
    """Each operation is described, and each parameter it declares is named in the code that serves it.

    What is read and not declared cannot be sent: `parameters_in` refuses it.
    """
    operations = [
        one
        for one in served(application(room, Settings(state_folder=str(tmp_path))).routes)
        if OPERATION_NAME.search(one.rest)
    ]
    files = [*ROOT.joinpath(*package(room).split(".")).rglob("*.py"), *ROOT.joinpath("record").rglob("*.py")]
    read = {word for file in files for word in words(file)}
    for one in operations:
        assert OPERATION in one.marks, one
        assert one.about, one
        assert operation_of(one).taken <= read, one


@pytest.mark.parametrize("room", HTTP_ROOMS)
def test_head_is_offered_where_get_is(room: str, tmp_path: Path) -> None:
    """Whatever can be fetched can be asked for its headers alone."""
    for one in served(application(room, Settings(state_folder=str(tmp_path))).routes):
        assert "GET" not in one.methods or "HEAD" in one.methods, one
