"""The packages that atypica stands on: installed, new enough, and not in each other's way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

from atypica.apps.doctor.finding import Finding, Status

PACKAGE = "atypica"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""Builds of ONNX Runtime; all of them install the same module, so that only one can be there."""
TOOLS = "dev"
"""The extra of those who work on atypica, which no user misses."""


def installed(name: str) -> str | None:
    """The version of a package, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_packages() -> Iterator[Finding]:
    """The core dependencies, ONNX Runtime's builds, and every extra."""
    yield _core()
    yield _runtime()
    for extra in metadata(PACKAGE).get_all("Provides-Extra") or []:
        if extra != TOOLS:
            yield _extra(extra)


def requirements(extra: str = "") -> list[Requirement]:
    """What atypica (or one of its extras) requires on this machine."""
    every = [Requirement(line) for line in requires(PACKAGE) or []]
    core = [r for r in every if r.marker is None or r.marker.evaluate({"extra": ""})]
    if not extra:
        return core
    return [r for r in every if r not in core and r.marker and r.marker.evaluate({"extra": extra})]


def lacking(wanted: Iterable[Requirement]) -> list[str]:
    """Those that are missing or of a version that does not fit, as words."""
    faults = [(requirement, fault) for requirement in wanted if (fault := _fault(requirement))]
    return [f"{requirement.name} {fault}" for requirement, fault in faults]


def _fault(requirement: Requirement) -> str:
    found = installed(requirement.name)
    if found is None and requirement.name == RUNTIMES[0]:
        found = next((v for v in map(installed, RUNTIMES) if v), None)
    if found is None:
        return "is not installed"
    if not requirement.specifier.contains(found, prereleases=True):
        return f"{found} does not fit {requirement.specifier}"
    return ""


def _versions(wanted: Iterable[Requirement]) -> str:
    found = [(r.name, installed(r.name)) for r in wanted]
    return ", ".join(f"{name} {number}" for name, number in found if number)


def _core() -> Finding:
    wanted = requirements()
    faults = lacking(wanted)
    if faults:
        return Finding("dependencies", Status.FAIL, "; ".join(faults), "pip install --upgrade atypica")
    return Finding("dependencies", Status.PASS, _versions(wanted))


def _runtime() -> Finding:
    found = {name: number for name in RUNTIMES if (number := installed(name))}
    told = ", ".join(f"{name} {number}" for name, number in found.items())
    if len(found) > 1:
        fix = f"pip uninstall -y {' '.join(found)}, then pip install onnxruntime"
        return Finding("ONNX Runtime", Status.FAIL, f"{told}: they overwrite each other's files", fix)
    if not found:
        return Finding("ONNX Runtime", Status.FAIL, "is not installed", "pip install onnxruntime")
    return Finding("ONNX Runtime", Status.PASS, told)


def _extra(extra: str) -> Finding:
    wanted = requirements(extra)
    faults = lacking(wanted)
    name = f"extra '{extra}'"
    if not faults:
        return Finding(name, Status.PASS, _versions(wanted))
    fix = f"pip install 'atypica[{extra}]'"
    if not any(installed(requirement.name) for requirement in wanted):
        return Finding(name, Status.PASS, f"not installed, and only needed {PURPOSES.get(extra, 'by some')}", fix)
    return Finding(name, Status.WARN, f"incomplete: {'; '.join(faults)}", fix)


PURPOSES = {
    "train": "by 'atypica train'",
    "web": "by 'atypica serve' and 'atypica review'",
    "docs": "to build the documentation",
    "openvino": "by ATYPICA_DEVICE=openvino",
}
