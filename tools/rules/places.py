"""places: a file's name says where it stands, and calls run downwards.

In a service: app > routes | jobs > use cases > store | fhir | events > pure. A file with none of the fixed names is a
use case if it imports a store; else it must be pure: the standard library, kernel.clock, kernel.ids, kernel.failures
and other pure files. There is no list to maintain, and whoever reads a name knows what the file may do.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence

from tools.rules.names import imports
from tools.rules.source import Finding, Source

NAME = "places"
FIXED = ("app", "routes", "jobs", "store", "fhir", "events", "settings", "failures")
RANKS = {"app": 5, "routes": 4, "jobs": 4, "use case": 3, "store": 2, "fhir": 2, "events": 2}
PURE_KERNEL = {"kernel.clock", "kernel.ids", "kernel.failures"}
LARGEST_KERNEL = 15


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Calls that run upwards or sideways, and files that claim to be pure but are not."""
    modules = {source.module: source for source in sources if source.is_python}
    layers = {name: layer for name, source in modules.items() if (layer := layer_of(source, modules))}
    for name, layer in layers.items():
        for imported, line in imports(modules[name], modules):
            if message := _wrong(name, layer, imported, layers):
                yield modules[name].finding(line, NAME, message)
    kernel = [source for source in modules.values() if _counts_as_kernel(source)]
    for source in kernel[LARGEST_KERNEL:]:
        yield source.finding(1, NAME, "the kernel is full: what one room uses belongs to that room")


def _counts_as_kernel(source: Source) -> bool:
    return source.parts[0] == "kernel" and "migrations" not in source.parts and source.parts[-1] != "__init__.py"


def layer_of(source: Source, modules: Collection[str]) -> str | None:
    """The layer a file of a service stands in, or None where the layers do not apply."""
    if source.parts[0] != "services" or len(source.parts) < 3 or {"rtc", "migrations"} & set(source.parts):
        return None
    own_store = tuple(f"{'.'.join(source.parts[:2])}.{end}" for end in ("", "store"))
    name = source.parts[-1].removesuffix(".py")
    if name in FIXED:
        return name
    uses_store = any(
        module.startswith(own_store[0]) and module.endswith(".store") for module, _ in imports(source, modules)
    )
    return "use case" if uses_store else "pure"


def _wrong(name: str, layer: str, imported: str, layers: Mapping[str, str]) -> str:
    if below := layers.get(imported):
        return _wrong_direction(layer, below, imported)
    if layer == "settings" and imported == "kernel.settings":
        return ""
    if layer in RANKS or imported in PURE_KERNEL or imported.split(".")[0] in sys.stdlib_module_names:
        return ""
    if imported in _packages_of(name):
        return ""
    return f"this file imports no store, so it must be pure, yet it imports {imported}: see CONTRIBUTING.md"


def _wrong_direction(layer: str, below: str, imported: str) -> str:
    here, there = RANKS.get(layer, 1), RANKS.get(below, 1)
    if there > here:
        return f"calls run downwards: {_article(layer)} file may not import {imported} ({below})"
    if there == here and there != 1 and layer != below:
        return f"{layer} and {below} stand side by side: neither may import the other ({imported})"
    return ""


def _article(layer: str) -> str:
    return f"{'an' if layer[0] in 'aeiou' else 'a'} {layer}"


def _packages_of(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:length]) for length in range(1, len(parts))}
