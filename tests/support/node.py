"""Real JavaScript clients in tests: a module of tests/npm is run once, JSON goes in, JSON comes out."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from tools.node import TESTS, node_folder

WITHIN = 90.0


class ScriptFailed(AssertionError):
    """The script ended with an error; the message is the end of what it said."""


async def run_node(script: str, given: Any) -> Any:
    """What `tests/npm/<script>` answers to a value: its default export is an (async) function of one value.

    Raises ScriptFailed. `make test` installs what the scripts import.
    """
    assert (TESTS / "node_modules" / ".packages").exists(), "The npm packages are missing: python -m tools.node"
    node, entry = str(node_folder() / "node"), str(Path("run.mjs"))
    process = await asyncio.create_subprocess_exec(
        *(node, entry, script),
        cwd=TESTS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, wrong = await asyncio.wait_for(process.communicate(orjson.dumps(given)), WITHIN)
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise ScriptFailed(wrong.decode(errors="replace")[-4000:])
    return orjson.loads(said)
