"""places: a file's name says where it stands, and calls run downwards.

In a service: app > routes | jobs > use cases > store | fhir | events > pure; a name may say more (`queue_store.py`). A
file with none of the fixed names is a use case if it imports a store, its own or the record; else it must be pure:
the standard library, kernel.clock, ids, failures and rules, and other pure files. There is no list to maintain, and
whoever reads a name knows what the file may do.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence

from tools.rules.names import imports
from tools.rules.source import Finding, Source

NAME = "places"
FIXED = ("app", "routes", "jobs", "store", "fhir", "events", "settings", "failures")
RANKS = {"app": 5, "routes": 4, "jobs": 4, "use case": 3, "store": 2, "fhir": 2, "events": 2}
PURE_KERNEL = {"kernel.clock", "kernel.ids", "kernel.failures", "kernel.rules"}
LARGEST_KERNEL = 15


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Calls that run upwards or sideways, and files that claim to be pure but are not."""
    modules = {source.module: source for source in sources if source.is_python}
    layers = {name: layer for name, source in modules.items() if (layer := layer_of(source, modules))}
    for name, layer in layers.items():
        imported = [
            (module, line) for module, line in imports(modules[name], modules) if module not in _packages_of(name)
        ]
        for module, line in imported:
            if below := layers.get(module):
                yield from _findings(modules[name], line, _wrong_direction(layer, below, module))
        impure = [(module, line) for module, line in imported if _is_impure(layer, module, layers)]
        if impure:
            yield from _findings(modules[name], impure[0][1], _not_pure(module for module, _ in impure))
    kernel = [source for source in modules.values() if _counts_as_kernel(source)]
    for source in kernel[LARGEST_KERNEL:]:
        yield source.finding(1, NAME, "the kernel is full: what one room uses belongs to that room")


def _counts_as_kernel(source: Source) -> bool:
    return source.parts[0] == "kernel" and "migrations" not in source.parts and source.parts[-1] != "__init__.py"


def layer_of(source: Source, modules: Collection[str]) -> str | None:
    """The layer a file of a service stands in, or None where the layers do not apply."""
    if source.parts[0] != "services" or len(source.parts) < 3 or {"rtc", "migrations"} & set(source.parts):
        return None
    name = _said(source.parts[-1])
    if name in FIXED:
        return name
    stores = f"{'.'.join(source.parts[:2])}."
    uses_store = any(
        module.split(".")[0] == "record" or (module.startswith(stores) and _said(module.rpartition(".")[2]) == "store")
        for module, _ in imports(source, modules)
    )
    return "use case" if uses_store else "pure"


def _said(name: str) -> str:
    """What a file's name says: `store` for store.py and for queue_store.py."""
    return name.removesuffix(".py").rpartition("_")[2]


def _findings(source: Source, line: int, message: str) -> Iterator[Finding]:
    if message:
        yield source.finding(line, NAME, message)


def _is_impure(layer: str, imported: str, layers: Mapping[str, str]) -> bool:
    if layer in RANKS or imported in layers or imported in PURE_KERNEL:
        return False
    return imported.split(".")[0] not in sys.stdlib_module_names and (layer, imported) != (
        "settings",
        "kernel.settings",
    )


def _not_pure(imported: Iterator[str]) -> str:
    shown = ", ".join(dict.fromkeys(imported))
    return f"this file imports no store, so it must be pure, yet it imports {shown}: see CONTRIBUTING.md"


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
