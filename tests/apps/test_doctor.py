"""Tests of `atypica doctor`: each check must see the fault it is there for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from atypica.apps.cli import doctor as verb
from atypica.apps.cli.main import run
from atypica.apps.doctor import datasets, machine, model, packages, storage, training
from atypica.apps.doctor.finding import Finding, Status, examine, exit_code
from atypica.apps.doctor.torch_probe import probe
from atypica.core.errors import BundleError, ExitCode


class NoTorch:
    """A probe of a machine without PyTorch."""

    def result(self) -> training.Torch | None:
        return None


class Seen(NoTorch):
    """A probe that saw something."""

    def __init__(self, seen: training.Torch) -> None:
        self.seen = seen

    def result(self) -> training.Torch | None:
        return self.seen


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "TorchProbe", NoTorch)


def statuses(findings: list[Finding]) -> dict[str, Status]:
    return {finding.name: finding.status for finding in findings}


def test_a_check_that_raises_is_a_failure_and_the_others_go_on() -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("first", Status.PASS, "fine")
        raise ImportError("no such\nlibrary")

    def bundle() -> Iterator[Finding]:
        raise BundleError("it is damaged", "get it again")

    found = examine([("a", broken), ("b", bundle), ("c", lambda: [Finding("last", Status.PASS, "fine")])])
    assert [(f.name, f.status) for f in found] == [
        ("first", Status.PASS),
        ("a", Status.FAIL),
        ("b", Status.FAIL),
        ("last", Status.PASS),
    ]
    assert found[1].message == "ImportError: no such library"
    assert (found[2].message, found[2].fix) == ("it is damaged", "get it again")


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.PASS, ExitCode.OK), (Status.WARN, ExitCode.OK), (Status.FAIL, ExitCode.SOME_FAILED)],
)
def test_only_a_failure_changes_the_exit_code(status: Status, code: ExitCode) -> None:
    assert exit_code([Finding("a", Status.PASS, ""), Finding("b", status, "")]) == code


@pytest.mark.usefixtures("no_torch")
def test_a_sound_bundle_passes_and_json_says_so(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["atypica", "doctor", "--json", "--model", str(tiny_bundle)])
    with pytest.raises(SystemExit) as left:
        run()
    assert left.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    found = {finding["name"]: finding for finding in told["findings"]}
    assert {"Python", "dependencies", "model bundle", "one figure", "cores", "data home"} <= set(found)
    assert "p_amf 0." in found["one figure"]["message"]


@pytest.mark.usefixtures("no_torch")
def test_an_altered_bundle_fails_with_the_fix(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    altered = shutil.copytree(tiny_bundle, tmp_path / "altered")
    with (altered / "model.onnx").open("ab") as handle:
        handle.write(b"x")
    assert verb.doctor(model=altered) == ExitCode.SOME_FAILED
    shown = " ".join(capsys.readouterr().out.split())
    assert "FAIL model bundle" in shown
    assert "damaged or altered" in shown
    assert "-> get the bundle again" in shown
    assert shown.endswith("1 failed")


def test_outputs_that_are_not_numbers_fail(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from atypica.inference.classifier import OnnxClassifier

    honest = OnnxClassifier.forward

    def sick(self: OnnxClassifier, *args: object) -> dict[str, object]:
        return {name: values * float("nan") for name, values in honest(self, *args).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(OnnxClassifier, "forward", sick)
    assert statuses(list(model.check_model(tiny_bundle)))["one figure"] is Status.FAIL


def test_two_builds_of_onnx_runtime_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"onnxruntime": "1.20.0", "onnxruntime-gpu": "1.20.0"}
    monkeypatch.setattr(packages, "installed", present.get)
    found = {finding.name: finding for finding in packages.check_packages()}["ONNX Runtime"]
    assert found.status is Status.FAIL
    assert found.fix.startswith("pip uninstall -y onnxruntime onnxruntime-gpu")


def test_another_build_of_onnx_runtime_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", {"onnxruntime-gpu": "1.20.0"}.get)
    assert packages.lacking([Requirement("onnxruntime>=1.19")]) == []
    assert packages.lacking([Requirement("onnxruntime>=1.21")]) == ["onnxruntime 1.20.0 does not fit >=1.21"]


def test_the_extra_of_training_is_absent_incomplete_or_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def extra(present: dict[str, str]) -> Finding:
        monkeypatch.setattr(packages, "installed", present.get)
        return {finding.name: finding for finding in packages.check_packages()}["extra 'train'"]

    whole = {requirement.name: "99.0" for requirement in packages.requirements("train")}
    assert extra({}).status is Status.PASS
    assert "not installed" in extra({}).message
    assert extra(whole).status is Status.PASS
    assert extra(whole | {"torch": "2.13.0"}).status is Status.WARN
    assert "torch 2.13.0 does not fit" in extra(whole | {"torch": "2.13.0"}).message


def test_a_torchvision_that_does_not_fit_is_named() -> None:
    error = "RuntimeError: operator torchvision::nms does not exist"
    (found,) = training.check_training(Seen(training.Torch({"torchvision": error})))  # type: ignore[arg-type]
    assert found.status is Status.FAIL
    assert "does not fit this torch" in found.fix


def test_the_probe_tells_of_a_broken_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "raise RuntimeError('operator torchvision::nms does not exist')\n"
    for name, text in {"torch": "raise OSError('no libcudart')", "torchvision": broken, "timm": "x = 1"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); " + _PROBE]
    monkeypatch.setattr(training, "_start", lambda: _process(command))
    seen = training.TorchProbe().result()
    assert seen is not None
    assert seen.errors == {
        "torch": "OSError: no libcudart",
        "torchvision": "RuntimeError: operator torchvision::nms does not exist",
    }


def test_an_import_that_kills_its_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "import sys; sys.stderr.write('bad binary\\n'); sys.exit(7)"]
    monkeypatch.setattr(training, "_start", lambda: _process(command))
    seen = training.TorchProbe().result()
    assert seen is not None
    assert "status 7: bad binary" in seen.errors["torch"]


_PROBE = f"import json; from {probe.__module__} import probe; print(json.dumps(probe()))"


def _process(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("", None)])
def test_the_quota_of_a_container(tmp_path: Path, text: str, cores: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert machine.cpu_quota(tmp_path / "cpu.max") == cores


def test_fewer_cores_than_seem_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000")
    monkeypatch.setattr(machine, "CPU_QUOTA", tmp_path / "cpu.max")
    found = {finding.name: finding for finding in machine.check_cores()}["cores"]
    assert found.status is Status.WARN
    assert found.fix == "give --threads 1"


def test_a_thread_setting_that_slows_training(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in machine.LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine, "find_spec", lambda name: name)
    monkeypatch.setattr("atypica.core.machine.default_threads", lambda: 8)
    assert statuses(list(machine.check_cores()))["thread settings"] is Status.PASS
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert statuses(list(machine.check_cores()))["thread settings"] is Status.WARN


def test_a_gpu_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    without, using = Seen(training.Torch()), Seen(training.Torch(gpus=("A GPU",)))
    assert [f.status for f in machine.check_gpu(without)] == [Status.WARN]  # type: ignore[arg-type]
    assert [f.status for f in machine.check_gpu(using)] == [Status.PASS]  # type: ignore[arg-type]
    assert [f.status for f in machine.check_gpu(NoTorch())] == [Status.PASS]  # type: ignore[arg-type]


def test_a_data_home_that_is_set_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATYPICA_DATA", str(tmp_path / "nowhere"))
    (found,) = datasets.check_data()
    assert (found.status, "is not there" in found.message) == (Status.WARN, True)
    monkeypatch.delenv("ATYPICA_DATA")
    monkeypatch.setattr("atypica.data.sources.data_home", lambda: tmp_path)
    assert [finding.status for finding in datasets.check_data()] == [Status.PASS]


def test_datasets_are_found_and_a_broken_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Atypical", "Normal"):
        folder = tmp_path / "AtNorM-Br" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.png").write_bytes(b"")
    (tmp_path / "AMi-Br").mkdir()
    (tmp_path / "AMi-Br" / "AMI-BR.csv").write_text("slide\n1\n")
    monkeypatch.setenv("ATYPICA_DATA", str(tmp_path))
    found = {finding.name: finding for finding in datasets.check_data()}
    assert found["data home"].status is Status.PASS
    assert found["atnorm-br"].message.startswith("2 figures (sample")
    assert found["ami-br"].status is Status.WARN


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATYPICA_DATA", str(tmp_path / "a" / "b"))
    assert set(statuses(list(storage.check_storage())).values()) <= {Status.PASS, Status.WARN}

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage.tempfile, "TemporaryFile", refuse)
    found = {finding.name: finding for finding in storage.check_storage()}
    assert found["temporary folder"].status is Status.FAIL
    assert "Permission denied" in found["temporary folder"].message
    assert str(tmp_path) in found["data folder"].message


@pytest.mark.parametrize(("free", "status"), [(10_000_000, "FAIL"), (10**9, "WARN"), (10**11, "PASS")])
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    usage = shutil.disk_usage(Path.cwd())
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: usage._replace(free=free))
    assert statuses(list(storage.check_storage()))["this folder"] == status
