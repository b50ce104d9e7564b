"""OpenVINO says what ONNX Runtime says, from several threads at once, and reports to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from tiny_model import tiny_card, tiny_graph

from atypica.apps.doctor.engine import check_engine
from atypica.apps.doctor.finding import Status
from atypica.core.errors import BundleError, MissingExtraError, SettingsError
from atypica.inference import openvino_classifier
from atypica.inference.bundle import read_bundle, write_bundle
from atypica.inference.classifier import OnnxClassifier
from atypica.inference.engines import open_classifier
from atypica.inference.model import load_model

TOLERANCE = 1e-4
BFLOAT16 = 2**-7
"""Of the largest value: a mantissa of 8 bits, and a few operations one after the other."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("tiny") / "model", tiny_graph(), tiny_card())


@pytest.fixture(scope="module")
def openvino():
    try:
        return openvino_classifier.import_openvino()
    except MissingExtraError:
        pytest.skip("the extra 'openvino' is not installed")


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)


@pytest.mark.usefixtures("openvino")
def test_every_output_is_that_of_onnx_runtime(bundle, crops):
    wanted, found = OnnxClassifier(bundle).forward(crops), open_classifier(bundle, "openvino").forward(crops)
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert found[name].shape == values.shape
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], values, atol=TOLERANCE, err_msg=name)


def test_the_setting_chooses_it_and_the_model_says_so(openvino, tiny_bundle, monkeypatch):
    monkeypatch.setenv("ATYPICA_DEVICE", "OpenVINO")
    model = load_model(tiny_bundle)
    assert model.classifier.engine == f"OpenVINO {openvino.__version__.split('-')[0]}, float32"
    (finding,) = check_engine(tiny_bundle)
    assert finding.status is Status.PASS
    assert "differ from ONNX Runtime" in finding.message
    dark, light = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    assert model.classify([dark, light], mpp=0.25).predictions["prediction"].tolist() == ["AMF", "NMF"]


@pytest.mark.usefixtures("openvino")
def test_callers_on_several_threads_get_their_own_answers(bundle):
    classifier = open_classifier(bundle, "openvino")
    batches = [np.full((n % 5 + 1, 32, 32, 3), 3 * n, np.uint8) for n in range(60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda batch: classifier.forward(batch, ["amf"])["amf"], batches))
    for n, logits in enumerate(found):
        np.testing.assert_allclose(logits, np.full((n % 5 + 1, 1), 4 - 8 * 3 * n / 255), atol=TOLERANCE)


def test_bfloat16_is_near_or_refused(openvino, bundle, crops):
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(SettingsError, match="no bfloat16"):
            open_classifier(bundle, "openvino-bf16")
        return
    found = open_classifier(bundle, "openvino-bf16").forward(crops)
    for name, values in OnnxClassifier(bundle).forward(crops).items():
        np.testing.assert_allclose(found[name], values, atol=BFLOAT16 * max(4, np.abs(values).max()), err_msg=name)


@pytest.mark.usefixtures("openvino")
def test_graphs_that_are_none_of_ours_are_refused(tmp_path):
    with pytest.raises(BundleError, match="cannot be loaded"):
        open_classifier(write_bundle(tmp_path / "a", b"not a graph", tiny_card()), "openvino")
    model = onnx.load_from_string(tiny_graph())
    del model.graph.output[1]
    with pytest.raises(BundleError, match="lacks the outputs subtype"):
        open_classifier(write_bundle(tmp_path / "b", model.SerializeToString(), tiny_card()), "openvino")


def test_without_the_extra_the_message_names_it(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"ATYPICA_DEVICE=openvino needs the extra 'openvino'"):
        open_classifier(bundle, "openvino")
    assert openvino_classifier.REPORTER not in sys.modules


@pytest.mark.parametrize("device", ["tpu", "openvino-int4"])
def test_a_device_that_is_none_is_told_what_there_is(bundle, device):
    with pytest.raises(SettingsError, match="cpu, cuda, openvino, openvino-bf16"):
        open_classifier(bundle, device)


@pytest.mark.skipif(os.name == "nt", reason="the folder of its reports is another one there")
@pytest.mark.usefixtures("openvino")
def test_openvino_reports_to_nobody(tiny_bundle, tmp_path):
    code = (
        "import sys; from pathlib import Path; from atypica.inference import bundle, engines; "
        f"engines.open_classifier(bundle.read_bundle(Path({str(tiny_bundle)!r})), 'openvino'); "
        "assert 'openvino_telemetry' not in sys.modules"
    )
    quiet = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}  # it is silent in continuous integration, by itself
    subprocess.run([sys.executable, "-c", code], check=True, env=quiet)
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_fails_an_engine_that_says_otherwise(tiny_bundle, monkeypatch):
    class Other(OnnxClassifier):
        engine = "Abacus 1.0, float32"
        providers = ("Abacus", "CPUExecutionProvider")

        def forward(self, crops, names=None):
            return {name: values + 1 for name, values in super().forward(crops, names).items()}

        def __init__(self, bundle):
            self.card = bundle.card
            inner = OnnxClassifier(bundle)
            self._session, self.names = inner._session, inner.names

    monkeypatch.setattr("atypica.inference.engines.open_classifier", Other)
    (finding,) = check_engine(tiny_bundle)
    assert finding.status is Status.FAIL
    assert "Abacus 1.0, float32; logits differ" in finding.message
    assert finding.fix == "unset ATYPICA_DEVICE"


def test_the_doctor_names_onnx_runtime(tiny_bundle):
    (finding,) = check_engine(tiny_bundle)
    assert (finding.status, finding.message) == (Status.PASS, OnnxClassifier(read_bundle(tiny_bundle)).engine)
