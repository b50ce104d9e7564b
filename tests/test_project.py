"""The project keeps its own rules: style, types, layers, versions, and documents that say what the code does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import atypica
from atypica.apps.cli.main import app
from atypica.core.errors import ExitCode
from atypica.data.figures import CONTEXT, DETECTION, KEYS, TRUTH
from atypica.inference import cases, predictions, slide_tables
from atypica.inference.bundle import DEFAULT_BUNDLE, read_bundle
from atypica.inference.card import Card

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 400
PLACES = re.compile(r"(?<![\w.])(?:/(?:home|Users|root)/|[A-Z]:\\Users\\)(?!(?:ann|bob)\b)\w+")
"""A folder of somebody's machine; Ann and Bob are made up, in the tests of redaction."""
APART = {"detect", "tensorboard", "mlflow"}
"""Extras that the tests do without."""
PIN = re.compile(r"[a-z0-9-]+==[a-z0-9.]+(\+[a-z0-9.]+)?")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def complaint(*command: str) -> str:
    """What a command says if it fails, "" if it does not."""
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return f"{done.stdout}\n{done.stderr}"[-6000:] if done.returncode else ""


def tracked() -> list[Path]:
    """The files that the project consists of."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=" ".join)
def test_style(command: tuple[str, ...]) -> None:
    assert not complaint(sys.executable, "-m", "ruff", *command, "--no-cache", ".")


def test_layers() -> None:
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    assert not complaint(sys.executable, "-c", lint, "--no-cache")


def test_types() -> None:
    broken = complaint(sys.executable, "-m", "pyright", "--version")
    if broken:
        pytest.skip(f"pyright cannot start, it needs node: {broken.strip()[-200:]}")
    assert not complaint(sys.executable, "-m", "pyright", "--pythonpath", sys.executable)


def test_no_file_is_too_long() -> None:
    long = {path.name: n for path in tracked() if path.suffix == ".py" and (n := lines(path)) > LONGEST_FILE}
    assert not long


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_path_of_a_machine() -> None:
    here = [f"{ROOT}/", f"{Path.home()}/"]
    found: list[str] = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.name}: {match.group()}" for match in PLACES.finditer(text)]
        found += [f"{path.name}: {place}" for place in here if len(place) > 2 and re.search(rf"(?<!\w){place}", text)]
    assert not found


def test_the_readme_and_continuous_integration_run_the_same_tests() -> None:
    command = read(".ci/run").strip().splitlines()[-1]
    assert command.endswith(".venv/bin/python -m pytest -n auto --dist loadfile")
    assert command in read("README.md").splitlines()
    assert command in read("CONTRIBUTING.md").splitlines()
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_constraints_pin_every_requirement_and_hold_nothing_else() -> None:
    pins = [line for line in read("constraints.txt").splitlines() if not line.startswith("#")]
    assert [pin for pin in pins if not PIN.fullmatch(pin)] == []
    versions = dict(pin.split("==") for pin in pins)
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = {name: given for name, given in project["optional-dependencies"].items() if name not in APART}
    wanted = [Requirement(text) for text in sum(extras.values(), project["dependencies"])]
    for requirement in wanted:
        if requirement.name != "atypica":
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_one_version_everywhere() -> None:
    assert tomllib.loads(read("pyproject.toml"))["project"]["version"] == atypica.__version__
    assert yaml.safe_load(read("CITATION.cff"))["version"] == atypica.__version__
    assert f"## [{atypica.__version__}]" in read("CHANGELOG.md")


def test_every_page_is_in_the_navigation() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    shown = [page for entry in yaml.safe_load(read("mkdocs.yml"))["nav"] for page in pages_of(entry)]
    assert sorted(shown) == sorted(pages)


def pages_of(entry: object) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in pages_of(part)]  # type: ignore[attr-defined]


def test_the_documentation_builds(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the extra 'docs' is not installed")
    site = tmp_path / "site"
    assert not complaint(sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "--site-dir", str(site))
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "fonts.googleapis" not in page


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("figure-table.md", (*KEYS, *DETECTION, *CONTEXT, *TRUTH)),
        ("predictions.md", (*predictions.COLUMNS, *cases.COLUMNS)),
        ("predictions.md", (*slide_tables.COLUMNS, *slide_tables.CASE_COLUMNS)),
        ("bundle.md", (*Card.model_fields,)),
        ("python-api.md", atypica.__all__),
        ("exit-codes.md", tuple(f"{int(code)}" for code in ExitCode)),
    ],
)
def test_a_page_names_everything_that_it_is_about(page: str, names: tuple[str, ...]) -> None:
    text = read(f"docs/{page}")
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_verb_is_in_the_readme() -> None:
    verbs = [name for name in app if not name.startswith("-")]
    assert len(verbs) > 4
    text = read("README.md")
    assert [verb for verb in verbs if f"`atypica {verb}" not in text] == []


def test_documents_show_only_verbs_that_are_there() -> None:
    verbs = set(app)
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    shown = {(page.name, verb) for page in pages for verb in verbs_shown(page)}
    assert {verb for _, verb in shown} == {verb for verb in verbs if not verb.startswith("-")}


def verbs_shown(page: Path) -> list[str]:
    """The verbs in the commands of a page."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [verb for block in blocks for verb in re.findall(r"(?:^|/)atypica (\w[\w-]*)", block, re.M)]


@pytest.mark.parametrize("page", ["README.md", "docs/model-card.md"])
def test_a_page_says_what_the_shipped_card_says(page: str) -> None:
    card = read_bundle().card
    tested = next(values for name, values in card.metrics.items() if name.endswith("test split"))
    text = read(page)
    binary = ("auroc", "balanced_accuracy", "sensitivity", "specificity")
    for metric in (*binary, "subtype_auroc_mean", "disagreement_auroc"):
        found = tested[metric]
        assert f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})" in text, metric
    assert f"{card.thresholds.default:.3f}" in text


def test_the_shipped_bundle_is_small() -> None:
    assert sum(path.stat().st_size for path in DEFAULT_BUNDLE.iterdir()) < 10_000_000
