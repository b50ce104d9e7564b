"""Where each millisecond of `atypica classify` goes, and what share of the processor's limit its network reaches.

    python benchmarks/profile_main.py stages TABLE [--rounds 5] [--model BUNDLE]
    python benchmarks/profile_main.py network [--rounds 30] [--model BUNDLE]

`stages`: the whole verb on one thread, in a fresh process a round; processor time, median of the rounds. The stages of
a figure are told apart by wrapping the functions that do them; what is left of typing is "the rest of the pipeline".

`network`: multiply-adds counted from the graph, beside the largest rate that this machine reaches in one float32 matrix
product of 2,048 x 2,048 on one thread (OpenBLAS and ONNX Runtime, whichever is faster) and in copying memory; product,
copy and network take turns, so that whatever else runs on the machine hits all alike. Then each kind of operator by
ONNX Runtime's own profiler, by the fastest tenth of the calls, as it knows wall time alone.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

OF_A_FIGURE = {
    "atypica.inference.crops.FileCrops.read": "reading the file",
    "imagecodecs.png_decode": "decoding it",
    "atypica.inference.pipeline.preprocess": "cutting, resampling",
    "atypica.inference.pipeline.figure_hash": "hash of its pixels",
    "atypica.inference.pipeline.forward_views": "network",
}
OF_ALL = {
    "atypica.apps.cli.classify.load_model": "loading the model",
    "atypica.inference.model.open_classifier": "loading the model",
    "atypica.apps.cli.classify.open_source": "opening the source",
    "atypica.inference.model.run": "typing",
    "atypica.inference.model.tabulate": "calibrating, tabulating",
    "atypica.inference.result.summarize_cases": "cases",
    "atypica.inference.result.Result.write": "tables",
    "atypica.reporting.report.write_report": "report",
}


@dataclass
class Clock:
    """Processor seconds by stage, each without the stages inside it."""

    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    inside: list[float] = field(default_factory=lambda: [0.0])

    def wrap(self, place: str, stage: str, now: Callable[[], float]) -> None:
        owner, name = found(place)
        plain = getattr(owner, name)

        @wraps(plain)
        def timed(*args: Any, **settings: Any) -> Any:
            self.inside.append(0.0)
            started = now()
            try:
                return plain(*args, **settings)
            finally:
                took = now() - started
                self.spent[stage] += took - self.inside.pop()
                self.inside[-1] += took

        setattr(owner, name, timed)


def found(place: str) -> tuple[Any, str]:
    """The object and the name of its attribute, of a dotted path."""
    parts = place.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:-1]:
            owner = getattr(owner, part)
        return owner, parts[-1]
    raise ImportError(place)


def keep_after(place: str, spent: dict[str, float], kept: dict[str, float]) -> None:
    """Copy what was spent when a function is done: the gallery of the report reads some figures again."""
    owner, name = found(place)
    plain = getattr(owner, name)

    @wraps(plain)
    def watched(*args: Any, **settings: Any) -> Any:
        result = plain(*args, **settings)
        kept.update(spent)
        return result

    setattr(owner, name, watched)


def one_round(table: str, model: Path | None) -> dict[str, float]:
    """The verb in this process."""
    from atypica.apps.cli.classify import classify

    for name in ("onnxruntime", "atypica.reporting.report"):
        importlib.import_module(name)
    imports = time.process_time()
    whole, figure, inner = Clock(), Clock(), dict[str, float]()
    # One worker thread does what is done to a figure, while the main thread waits for it.
    for place, stage in OF_A_FIGURE.items():
        figure.wrap(place, stage, time.process_time)
    for place, stage in OF_ALL.items():
        whole.wrap(place, stage, time.process_time)
    keep_after("atypica.inference.model.run", figure.spent, inner)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        classify(table, out=Path(folder), model=model, threads=1)
        wall = time.perf_counter() - started
    total = time.process_time()
    stages = {"imports": imports, **whole.spent}
    stages["the rest"] = total - sum(stages.values())
    inner["the rest of the pipeline"] = stages["typing"] - sum(inner.values())
    return {**stages, **{f"- {name}": value for name, value in inner.items()}, "all": total, "wall": wall}


def stages(given: argparse.Namespace) -> None:
    import numpy as np
    import pandas as pd

    if given.child:
        with redirect_stdout(sys.stderr):
            spent = one_round(given.table, given.model)
        print(json.dumps(spent))
        return
    command = [sys.executable, __file__, "stages", given.table, "--child"]
    command += ["--model", str(given.model)] if given.model else []
    rounds = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        for _ in range(given.rounds)
    ]
    figures = len(pd.read_csv(given.table, usecols=["image"]))
    middle = {name: float(np.median([one[name] for one in rounds])) for name in rounds[0]}
    print(f"{figures:,} figures, {given.rounds} rounds, median processor time; wall {middle.pop('wall'):.1f} s\n")
    print("| stage | s | ms/figure | share |\n|---|---:|---:|---:|")
    for name, value in middle.items():
        print(f"| {name} | {value:.2f} | {1000 * value / figures:.3f} | {value / middle['all']:.1%} |")


@dataclass
class Operator:
    """A convolution or product: its multiply-adds and bytes moved for one crop, and its measured seconds."""

    kind: str
    multiply_adds: int
    moved: int
    seconds: float = 0.0


def operators(graph: bytes, size: int) -> dict[str, Operator]:
    """Every convolution and product of a graph, by the name of its first output, counted on one crop.

    The shapes are those of a run: every result is made an output of the graph.
    """
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import numpy_helper

    model = onnx.load_from_string(graph)
    nodes = [node for node in model.graph.node if node.op_type in {"Conv", "Gemm", "MatMul"}]
    names = list(dict.fromkeys(name for node in nodes for name in (*node.input[:2], node.output[0])))
    constants = {part.name: numpy_helper.to_array(part).shape for part in model.graph.initializer}
    outputs = {part.name for part in model.graph.output}
    asked = [name for name in names if name not in constants]
    model.graph.output.extend([onnx.ValueInfoProto(name=name) for name in asked if name not in outputs])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(asked, {"crops": np.zeros((1, size, size, 3), np.uint8)})
    shapes = constants | {name: value.shape for name, value in zip(asked, values, strict=True)}
    return {node.output[0]: counted(node, shapes) for node in nodes}


def counted(node: Any, shapes: dict[str, tuple[int, ...]]) -> Operator:
    import numpy as np

    given, weight, made = (shapes[name] for name in (node.input[0], node.input[1], node.output[0]))
    each = int(np.prod(weight[1:])) if node.op_type == "Conv" else given[-1]
    moved = 4 * (int(np.prod(given)) + int(np.prod(made)))
    if node.op_type != "Conv":
        return Operator("heads, map, distance", int(np.prod(made)) * each, moved)
    if weight[1] == 1:
        kind = f"depthwise {weight[2]}x{weight[3]}"
    else:
        kind = "pointwise 1x1" if weight[2:] == (1, 1) else f"convolution {weight[2]}x{weight[3]}"
    return Operator(kind, int(np.prod(made)) * each, moved)


def network(given: argparse.Namespace) -> None:
    import numpy as np

    from atypica.inference.bundle import read_bundle
    from atypica.inference.classifier import OnnxClassifier
    from atypica.inference.pipeline import BATCH
    from atypica.inference.predictions import needed

    bundle = read_bundle(given.model) if given.model else read_bundle()
    size = bundle.card.geometry.size_px
    classifier, found = OnnxClassifier(bundle, "cpu"), operators(bundle.onnx, size)
    total = sum(one.multiply_adds for one in found.values())
    crops = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), dtype=np.uint8)
    names = needed(bundle.card)
    rates = {name: Rates([]) for name in (*PRODUCTS, "copy", "network")}
    work = {**products(), "copy": copy(), "network": (2 * total * BATCH, lambda: classifier.forward(crops, names))}
    for number in range(-3, given.rounds):
        for name, (amount, call) in work.items():
            started = time.process_time()
            call()
            if number >= 0:
                rates[name].each.append(amount / (time.process_time() - started) / 1e9)
    limit = np.max([rates[name].each for name in PRODUCTS], axis=0)
    share = np.array(rates["network"].each) / limit
    print(f"{total / 1e6:.1f} million multiply-adds a figure, batches of {BATCH}, one thread\n")
    for name, rate in rates.items():
        print(f"{name}: {np.median(rate.each):.1f} {'GB/s' if name == 'copy' else 'GFLOP/s'}")
    low, middle, high = np.quantile(share, [0.25, 0.5, 0.75])
    print(f"network / limit: {middle:.2f} (quartiles {low:.2f} to {high:.2f}, {given.rounds} rounds)\n")
    by_operator(bundle.onnx, crops, found, given.rounds)
    table(found, float(np.quantile(limit, 0.9)), float(np.quantile(rates["copy"].each, 0.9)))


@dataclass
class Rates:
    """Thousand millions of operations (or bytes) a second, one entry a round."""

    each: list[float]


PRODUCTS = ("product, OpenBLAS", "product, ONNX Runtime")
SIDE = 2048


def products() -> dict[str, tuple[float, Callable[[], Any]]]:
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper

    left, right = np.random.default_rng(0).random((2, SIDE, SIDE), dtype=np.float32)
    places = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIDE, SIDE]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", places[:2], places[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    work = (lambda: left @ right, lambda: session.run(None, {"a": left, "b": right}))
    return {name: (2 * SIDE**3, call) for name, call in zip(PRODUCTS, work, strict=True)}


def copy() -> tuple[float, Callable[[], Any]]:
    """Of as many bytes as the largest result of a batch: read once, written once."""
    import numpy as np

    source = np.ones(5_000_000, np.float32)
    target = np.empty_like(source)
    return 2 * source.nbytes, lambda: np.copyto(target, source)


def by_operator(graph: bytes, crops: Any, found: dict[str, Operator], rounds: int) -> None:
    """Fill in the seconds a figure of every operator, by ONNX Runtime's profiler."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/profile"
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for _ in range(rounds + 3):
            session.run(None, {"crops": crops})
        events = json.loads(Path(session.end_profiling()).read_text())
    took: dict[str, list[float]] = defaultdict(list)
    order: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            took[event["name"]].append(event["dur"] / 1e6 / len(crops))
            if event["name"] not in order[event["args"]["op_name"]]:
                order[event["args"]["op_name"]].append(event["name"])
    # Convolutions are fused and renamed, and stay in their order.
    for kind in ("Conv", "heads"):
        mine = [one for one in found.values() if (one.kind[:5] == "heads") == (kind == "heads")]
        names = order["Conv"] if kind == "Conv" else sorted(order["Gemm"] + order["MatMul"])
        for one, name in zip(mine, names, strict=kind == "Conv"):
            one.seconds = undisturbed(took[name])
    counted_names = {name for kind in ("Conv", "Gemm", "MatMul") for name in order[kind]}
    rest = sum(undisturbed(values) for name, values in took.items() if name not in counted_names)
    found["everything else"] = Operator("everything else", 0, 0, rest)


def undisturbed(seconds: list[float]) -> float:
    """The profiler knows wall time alone: of a busy machine the fastest tenth tells what the operator needs."""
    import numpy as np

    return float(np.quantile(seconds[3:], 0.1))


def table(found: dict[str, Operator], limit: float, copied: float) -> None:
    kinds: dict[str, Operator] = {}
    for one in found.values():
        sum_ = kinds.setdefault(one.kind, Operator(one.kind, 0, 0))
        sum_.multiply_adds += one.multiply_adds
        sum_.moved += one.moved
        sum_.seconds += one.seconds
    seconds, adds = (sum(getattr(one, name) for one in kinds.values()) for name in ("seconds", "multiply_adds"))
    print("| operators | ms/figure | of the time | of the multiply-adds | GFLOP/s | of the limit | GB/s | FLOP/byte |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for one in sorted(kinds.values(), key=lambda one: -one.seconds):
        cells = [f"{1000 * one.seconds:.3f}", f"{one.seconds / seconds:.0%}", f"{one.multiply_adds / adds:.1%}"]
        if one.multiply_adds and one.seconds > 1e-5:
            rate = 2 * one.multiply_adds / one.seconds / 1e9
            cells += [f"{rate:.0f}", f"{rate / limit:.2f}", f"{one.moved / one.seconds / 1e9:.1f}"]
            cells.append(f"{2 * one.multiply_adds / one.moved:.1f}")
        else:
            cells += [""] * 4
        print(f"| {one.kind} | {' | '.join(cells)} |")
    print(f"\nfastest tenth of limit and copy: {limit:.1f} GFLOP/s, {copied:.1f} GB/s (read and written)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("stages")
    one.add_argument("table")
    one.add_argument("--rounds", type=int, default=5)
    one.add_argument("--model", type=Path)
    one.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    one.set_defaults(work=stages)
    other = verbs.add_parser("network")
    other.add_argument("--model", type=Path)
    other.add_argument("--rounds", type=int, default=30)
    other.set_defaults(work=network)
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before NumPy is imported, in the functions above
    given.work(given)


if __name__ == "__main__":
    main()
