"""The setting that chooses the device of ONNX Runtime."""

from __future__ import annotations

import pytest

from atypica.core.errors import SettingsError
from atypica.inference.bundle import read_bundle
from atypica.inference.classifier import OnnxClassifier, wanted_providers

BUILT = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


@pytest.mark.parametrize("device", ["", "cpu", "CPU"])
def test_the_cpu_unless_asked_otherwise(device):
    assert wanted_providers(device, BUILT) == ["CPUExecutionProvider"]


def test_cuda_before_the_cpu_and_without_tf32():
    assert wanted_providers("cuda", BUILT) == [("CUDAExecutionProvider", {"use_tf32": 0}), "CPUExecutionProvider"]


@pytest.mark.parametrize(("device", "said"), [("cuda", "has no CUDA"), ("tpu", "is 'tpu'")])
def test_a_device_that_is_not_there(device, said):
    with pytest.raises(SettingsError, match=said):
        wanted_providers(device, ["CPUExecutionProvider"])


def test_the_classifier_heeds_the_setting_and_says_what_it_runs_on(tiny_bundle, monkeypatch):
    bundle = read_bundle(tiny_bundle)
    assert OnnxClassifier(bundle).providers == ("CPUExecutionProvider",)
    monkeypatch.setenv("ATYPICA_DEVICE", "abacus")
    with pytest.raises(SettingsError, match="abacus"):
        OnnxClassifier(bundle)
