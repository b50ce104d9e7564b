"""Backbones against each other by what a probe makes of their features: a suite like any other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atypica.benchmark.suite import Entry, Suite, TestSpec
from atypica.core.errors import SettingsError
from atypica.data.figures import Figures
from atypica.evaluation.published import published_names
from atypica.training.settings.probe import ProbeKind

Target = Literal["amf", "subtype"]
RECIPE = "banerjee2026-virchow2-probe"
"""What every entry changes the backbone of."""
PUBLISHED, PUBLISHED_ON = "banerjee2026", "ami-br"
AS_PUBLISHED = "as published"
SET_NAMES = {"ami-br": "AMi-Br", "atnorm-br": "AtNorM-Br", "atnorm-md": "AtNorM-MD"}
"""What published tables call the sets."""
HIDDEN = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True)
class Comparison:
    """What is asked for.

    Attributes:
        backbones: cards' or timm's names.
        data: the training source.
        tests: further test sets, beside the part `test` of the training source.
        kinds: of probes.
        target: AMF, or the eight subtypes.
        as_published: also train a linear layer by small steps, as the public scripts do.
        weights: as `model.weights`.
        settings: changes of the recipe, `key.sub=value`.
    """

    backbones: Sequence[str]
    data: str
    tests: Sequence[str] = ()
    kinds: Sequence[ProbeKind] = ("logistic",)
    target: Target = "amf"
    as_published: bool = False
    weights: str = "hub"
    settings: Sequence[str] = ()


def probe_suite(asked: Comparison, source: Figures) -> Suite:
    """The suite that compares them.

    Args:
        asked: see there.
        source: the opened training source; its column `split`, if there is one, says what trains and what tests.

    Raises:
        SettingsError: eight subtypes as published, or nothing to test on.
    """
    if asked.as_published and asked.target == "subtype":
        raise SettingsError("the published probes are of AMF alone", "leave out --as-published, or --target subtype")
    parts = set(source.table["split"].dropna()) if "split" in source.table else set[str]()
    tests = [TestSpec(name=set_name(asked.data), split="test")] if "test" in parts else []
    tests += [TestSpec(name=set_name(test), source=test) for test in asked.tests]
    if not tests:
        tests = [TestSpec(name="held-out folds", left_out=True)]
    published = [PUBLISHED] if asked.data == PUBLISHED_ON and asked.target == "amf" else []
    return Suite(
        name="probe",
        title="Probes of frozen features",
        description="Heads solved on frozen features; every penalty chosen within the training figures of its fold.",
        data=asked.data,
        settings=[
            f"split.train_on={'train' if 'train' in parts else 'all'}",
            f"model.weights={asked.weights}",
            *(["heads.kind=softmax"] if asked.target == "subtype" else []),
        ],
        entries=[entry for backbone in asked.backbones for entry in _entries(backbone, asked)],
        tests=tests,
        target=asked.target,
        published=[name for name in published if name in published_names()],
    )


def _entries(backbone: str, asked: Comparison) -> list[Entry]:
    entries = [_entry(backbone, kind, [f"probe.kind={kind}", *_hidden(kind)], asked) for kind in asked.kinds]
    if asked.as_published:
        entries.append(_entry(backbone, AS_PUBLISHED, ["probe.as_published=true"], asked))
    return entries


def _entry(backbone: str, words: str, settings: list[str], asked: Comparison) -> Entry:
    name = plain_name(backbone)
    own = [f"name={name}-probe", f"description=A probe of frozen features of {name}.", f"model.backbone={backbone}"]
    return Entry(label=f"{name} {words}", recipe=RECIPE, settings=[*own, *settings, *asked.settings])


def _hidden(kind: ProbeKind) -> list[str]:
    return [f"heads.hidden={HIDDEN}"] if kind == "mlp" else []


def set_name(source: str) -> str:
    """What tables call a source: its published name, or that of its file or folder.

    >>> set_name("figures/other.csv")
    'other'
    """
    return SET_NAMES.get(source, plain_name(Path(source).stem))


def plain_name(text: str) -> str:
    """A name that may stand in a file's.

    >>> plain_name("hf-hub:a/b")
    'hf-hub-a-b'
    """
    return _NOT_IN_NAMES.sub("-", text).strip("-._+") or "unnamed"
