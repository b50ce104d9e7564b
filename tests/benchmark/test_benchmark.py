"""A benchmark on drawn figures: stopped, resumed, guarded against leaks, scored as scikit-learn scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from carrying import Carrying
from pandas.testing import assert_frame_equal
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from tiny_suite import SETTINGS, suite_values

from atypica.apps.cli.benchmark import _bare, benchmark
from atypica.benchmark.engine import Options, run_suite
from atypica.benchmark.folds import FoldJob, MakeTrainer
from atypica.benchmark.runs import Member, Work, place_run
from atypica.benchmark.suite import Suite, TestSpec, load_suite
from atypica.benchmark.testset import TestFigures
from atypica.core.errors import ExitCode, OutputError, SettingsError
from atypica.data.drawn import draw_figures
from atypica.data.leaks import Pixels, leaks
from atypica.data.sources import open_source
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.scale.open import open_executor
from atypica.training.attempts import Attempt
from atypica.training.recipe import load_recipe
from atypica.training.train import train

FAST = Options(bootstrap=BootstrapSettings(replicates=100))
TRAINED_TWICE = 3
"""Figures of the set "Other" that also train."""


@pytest.fixture(scope="module")
def suite(suite_path) -> Suite:
    return load_suite(str(suite_path))


@pytest.fixture(scope="module")
def out(suite, tmp_path_factory) -> Path:
    """A benchmark that was stopped after its first fold, and then went on."""
    folder = tmp_path_factory.mktemp("out")

    def stop(line: str) -> None:
        if "fold 0" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(suite, folder, FAST, stop)
    assert len(ledger(folder, "plain")) == 1
    (folder / "stopped.json").write_text(json.dumps(weights_time(folder)))
    run_suite(suite, folder, FAST)
    return folder


@pytest.fixture(scope="module")
def found(suite, out):
    return run_suite(suite, out, FAST)


def ledger(folder: Path, label: str) -> list[str]:
    lines = (folder / "runs" / label / "seed-3" / "ledger.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def weights_time(folder: Path) -> int:
    return (folder / "runs/plain/seed-3/folds/0/network.safetensors").stat().st_mtime_ns


def predictions(folder: Path, test: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions" / "plain" / "seed-3" / f"{test}.parquet")


def test_a_stopped_benchmark_goes_on_without_training_a_fold_twice(out, found):
    assert ledger(out, "plain") == ["fold 0", "fold 1"]
    assert ledger(out, "no noise") == ["fold 0", "fold 1"]
    assert weights_time(out) == json.loads((out / "stopped.json").read_text())


def test_work_done_elsewhere_comes_to_the_same_and_this_process_keeps_the_ledger(suite, out, found, tmp_path):
    said, executor = [], Carrying(lost=("it was killed",))
    elsewhere = run_suite(suite.only(["plain", "to come"]), tmp_path, FAST, said.append, executor)
    assert ledger(tmp_path, "plain") == ledger(out, "plain")
    for test in ("Inner", "Other", "Left out"):
        assert_frame_equal(predictions(tmp_path, test), predictions(out, test))
    assert [one.label for one in elsewhere.failures] == ["to come"]
    assert sum("a worker was lost" in line and "it was killed" in line for line in said) == len(executor.jobs) == 3
    again = Carrying()
    run_suite(suite.only(["plain", "to come"]), tmp_path, FAST, executor=again)
    assert len(again.jobs) == 1, "of a finished run only the test sets are asked for"


def test_a_worker_that_does_not_see_the_folder_trains_nothing(suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work = Work(suite, open_source(suite.data), {}, [], Path("out"), print).quiet
    assert work.out == tmp_path / "out"
    job = FoldJob(Member("plain", 3), Attempt(0, suite.recipe_of(suite.entries[0], 3)))
    with pytest.raises(OutputError, match="does not see the folder"):
        MakeTrainer(work)()(job)
    assert not work.out.exists()


@pytest.mark.slow
def test_two_processes_come_to_what_one_does(suite, out, found, tmp_path):
    with open_executor("processes", workers=2) as executor:
        run_suite(suite, tmp_path, FAST, executor=executor)
    for label in ("plain", "no noise"):
        assert sorted(ledger(tmp_path, label)) == ledger(out, label)
    assert_frame_equal(predictions(tmp_path, "Inner"), predictions(out, "Inner"))


def test_a_run_that_fails_is_a_row_with_its_error_and_the_rest_goes_on(out, found):
    assert [(one.label, "not-shipped-yet" in one.error) for one in found.failures] == [("to come", True)]
    assert {one.label for one in found.scored} == {"plain", "no noise"}
    assert not found.complete
    assert "SettingsError" in (out / "errors" / "to come-seed-3.txt").read_text()


def test_figures_that_were_trained_on_are_left_out_and_counted(out, found):
    table = predictions(out, "Other")
    assert (table["leak"] == "same pixels").sum() == TRAINED_TWICE
    assert not table.loc[table["leak"] != "", "scored"].any()
    for one in found.on("Other"):
        assert one.leaked == TRAINED_TWICE
        assert one.first.overall.confusion.figures == table["scored"].sum() == len(table) - TRAINED_TWICE - 1
    assert all(one.leaked == 0 for one in found.on("Inner"))


def test_a_figure_that_stands_twice_counts_once(out, found):
    table = predictions(out, "Other")
    assert (table["duplicate_of"] != "").sum() == 1
    other = next(test for test in found.tests if test.name == "Other")
    assert (other.duplicates, other.duplicates_kept, other.cases) == (1, False, None)


@pytest.mark.parametrize("test", ["Inner", "Other"])
def test_the_numbers_are_those_of_scikit_learn_on_the_kept_predictions(out, found, test):
    table = predictions(out, test)
    table = table[table["scored"]]
    y, z = (table["label"] == "AMF").to_numpy(), table[["amf_0", "amf_1"]].to_numpy()
    one = next(one for one in found.on(test) if one.label == "plain")
    for name, threshold in one.thresholds.items():
        p = expit(z.mean(axis=1))
        overall = one.evaluations[name].overall.metrics
        assert overall["auroc"].value == pytest.approx(roc_auc_score(y, p))
        assert overall["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(y, p >= threshold))
        each = [balanced_accuracy_score(y, expit(z[:, k]) >= threshold) for k in range(2)]
        folds = one.folds[name]["balanced_accuracy"]
        assert (folds.mean, folds.sd) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
        assert (folds.lowest, folds.highest) == pytest.approx((min(each), max(each)))


def test_the_spread_of_the_networks_stands_in_the_predictions_and_refers_figures(out, found):
    table = predictions(out, "Inner")
    each = expit(table[["amf_0", "amf_1"]].to_numpy())
    assert table["spread"].to_numpy() == pytest.approx(each.std(axis=1, ddof=1))
    table, each = table[table["scored"]], each[table["scored"]]
    one = next(one for one in found.on("Inner") if one.label == "plain")
    assert list(one.referrals["0.5"]) == ["spread", "disagreement", "closeness"]
    z = table[["disagreement_0", "disagreement_1"]].mean(axis=1).to_numpy()
    hard = table["hard"].to_numpy()
    for doubt, values in (("spread", each.std(axis=1, ddof=1)), ("disagreement", z)):
        kept = np.argsort(-values, kind="stable")[len(values) // 10 :]
        called = expit(table[["amf_0", "amf_1"]].mean(axis=1).to_numpy()[kept]) >= 0.5
        referral = one.referrals["0.5"][doubt]
        wanted = balanced_accuracy_score(table["label"].to_numpy()[kept] == "AMF", called)
        assert referral.rest.balanced_accuracy == pytest.approx(wanted)
        auroc = roc_auc_score(hard, values) if len(set(hard)) == 2 else None
        assert referral.hard_auroc.value == (None if auroc is None else pytest.approx(auroc))
    assert list(found.on("Left out")[0].referrals["0.5"]) == ["disagreement", "closeness"]
    assert predictions(out, "Left out")["spread"].isna().all()


def test_left_out_figures_are_typed_by_the_network_that_has_not_seen_them(out, found):
    table = predictions(out, "Left out")
    answers = table[["amf_0", "amf_1"]]
    assert (answers.notna().sum(axis=1) == 1).all()
    one = next(one for one in found.on("Left out") if one.label == "plain")
    p = expit(answers.mean(axis=1))
    assert one.kind == "left-out"
    assert one.first.overall.metrics["auroc"].value == pytest.approx(roc_auc_score(table["label"] == "AMF", p))
    assert list(one.thresholds) == ["0.5"]
    assert one.calibrated is None
    assert one.calibration_note


def test_models_are_compared_on_the_same_figures_and_folds_pair_within_a_split(found):
    assert found.comparisons["Other"].figures == found.on("Other")[0].first.overall.confusion.figures
    pair = found.folds["balanced_accuracy"].families[0].pairs[0]
    assert pair.paired_by == ("fold", "seed")
    assert pair.test.smallest_p == 0.5


@pytest.mark.parametrize("policy", ["refuse", "mark"])
def test_a_suite_says_what_happens_to_leaks(suite, out, policy):
    entries, tests = [suite.entries[0]], [suite.tests[1]]
    found = run_suite(suite.model_copy(update={"leaks": policy, "entries": entries, "tests": tests}), out, FAST)
    if policy == "refuse":
        assert "are trained on" in found.failures[0].error
        assert not found.scored
    else:
        one = found.scored[0]
        assert (one.leaked, one.leaks) == (TRAINED_TWICE, "mark")
        assert one.first.overall.confusion.figures == len(predictions(out, "Other")) - 1


def test_the_verb_writes_every_format_and_leaves_with_3_where_a_run_failed(suite_path, out, capsys):
    assert benchmark(str(suite_path), out=out, replicates=50) == ExitCode.SOME_FAILED
    shown = capsys.readouterr().out
    assert "Inner: " in shown
    assert "not run: to come" in shown
    values = json.loads((out / "leaderboard.json").read_text())
    assert values["format"] == {"name": "atypica-leaderboard", "version": 1}
    assert str(suite_path.parent) not in (out / "leaderboard.json").read_text()
    table = pd.read_csv(out / "leaderboard.csv")
    assert {"models", "domains"} <= set(table["board"])
    for name in ("leaderboard.md", "leaderboard.tex", "leaderboard.html"):
        assert "no noise" in (out / name).read_text()


def test_the_verb_keeps_duplicates_and_takes_some_entries(suite_path, out, capsys):
    status = benchmark(str(suite_path), out=out, entries="plain", keep_duplicates=True, replicates=20)
    assert status in (ExitCode.OK, ExitCode.COLLAPSED), "its networks are trained for seconds"
    assert "1 duplicate kept" in capsys.readouterr().out


def test_a_run_made_by_train_is_taken_up_with_its_distilled_network(suite, drawn, tmp_path):
    recipe = load_recipe("default", [*SETTINGS, "training.epochs=1", "seed=3"])
    train(recipe, open_source(drawn / "figures.csv"), tmp_path / "run")
    entry = suite.entries[0].model_copy(update={"settings": ["training.epochs=1"]})
    small = suite.model_copy(update={"entries": [entry], "tests": suite.tests[:1]})
    before = (tmp_path / "run/ledger.jsonl").read_text()
    place_run(small, tmp_path / "out", "plain", tmp_path / "run")
    found = run_suite(small, tmp_path / "out", FAST)
    assert [one.label for one in found.scored] == ["plain", "plain (distilled)"]
    assert found.scored[1].folds == {}
    assert (tmp_path / "run/ledger.jsonl").read_text() == before
    with pytest.raises(SettingsError, match="another recipe"):
        place_run(suite, tmp_path / "other", "plain", tmp_path / "run")


def test_some_folds_alone_are_trained_and_nothing_is_scored(suite, tmp_path):
    small = suite.model_copy(update={"entries": suite.entries[:1], "settings": [*SETTINGS, "training.epochs=1"]})
    assert run_suite(small, tmp_path, Options(folds_only=(1,))) is None
    assert ledger(tmp_path, "plain") == ["fold 1"]
    assert not (tmp_path / "predictions").exists()


def test_a_collapsed_fold_is_in_the_leaderboard_and_the_exit_code(suite_path, out, tmp_path):
    """Told so in the ledger of a finished run."""
    shutil.copytree(out, tmp_path / "out")
    path = tmp_path / "out" / "runs" / "plain" / "seed-3" / "ledger.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["metrics"].pop("collapse", None)

    def again(entries: str | None = "plain") -> int:
        path.write_text("\n".join(map(json.dumps, lines)))
        return benchmark(str(suite_path), out=tmp_path / "out", entries=entries, replicates=20)

    assert again() == ExitCode.OK
    lines[1]["metrics"]["collapse"] = "it was told so"
    assert again() == ExitCode.COLLAPSED
    kept = json.loads((tmp_path / "out" / "leaderboard.json").read_text())
    assert [one["collapses"] for one in kept["scored"]] == [{"1": "it was told so"}] * len(kept["scored"])
    assert again(entries=None) == ExitCode.SOME_FAILED, "an entry failed as well"


def test_figures_without_the_domain_that_is_left_out_in_turn_do_not_train_and_that_is_said(drawn, tmp_path):
    table = pd.read_csv(drawn / "figures.csv")
    scanners = sorted(table["scanner"].unique())
    blank = table["scanner"].isin(scanners[2:])
    table.loc[blank, "scanner"] = None
    table["image"] = [str(drawn / image) for image in table["image"]]
    table.to_csv(tmp_path / "figures.csv", index=False)
    values = suite_values(
        data=str(tmp_path / "figures.csv"),
        settings=[*SETTINGS, "training.epochs=1", "split.train_on=all", "split.by=scanner"],
        entries=[{"label": "plain", "recipe": "default"}],
        tests=[{"name": "Left out", "left_out": True}],
    )
    found = run_suite(Suite.parse(values, "suite"), tmp_path / "out", FAST)
    assert f"plain: {blank.sum()} figures without scanner are left out" in found.notes
    kept = predictions(tmp_path / "out", "Left out")
    assert len(kept) == (~blank).sum()
    for scanner, column in zip(scanners[:2], ["amf_0", "amf_1"], strict=True):
        assert set(kept.loc[kept[column].notna(), "scanner"]) == {scanner}
    assert {group.name for group in found.scored[0].first.domains["scanner"]} == set(scanners[:2])


def test_another_table_of_the_same_folder_and_length_is_read_for_itself(tmp_path):
    draw_figures(tmp_path, 24, seed=1)
    figures = pd.read_csv(tmp_path / "figures.csv")
    figures[:12].to_csv(tmp_path / "train.csv", index=False)
    figures[12:].to_csv(tmp_path / "other.csv", index=False)
    training, spec = open_source(tmp_path / "train.csv"), TestSpec(name="o", source=str(tmp_path / "other.csv"))
    pixels = Pixels.of(training)
    test = TestFigures.open(spec, training, pixels, keep_repeats=False)
    assert not set(test.pixels.digests) & set(pixels.digests)
    assert not any(leaks(test.figures, test.pixels, training, set(pixels.digests)))


def test_a_command_is_shown_without_the_folders_of_the_machine(tmp_path):
    words = ["quick", "--out", str(tmp_path / "out"), "--run", f"plain={tmp_path / 'run'}", "leaks=drop"]
    assert [_bare(word) for word in words] == ["quick", "--out", "out", "--run", "plain=run", "leaks=drop"]
