"""Embeddings: the vectors are the network's own, each is computed once, and a cache survives kills and company."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from carrying import Carrying
from drawn_table import write_drawn_table
from safetensors.torch import save_file
from threads import one_thread as one_thread

from atypica.core.errors import OutputError, SettingsError, SourceError
from atypica.data.sources import open_source
from atypica.models.embedding import EmbeddingCache, Encoder, embed_figures, load_encoder, spread
from atypica.models.embedding.cache import file_name
from atypica.models.embedding.embed import stream_embeddings
from atypica.models.embedding.spread import MakeEmbedder, spread_embeddings

COUNT = 12
TINY = {"size_px": 32, "field_um": 32.0}


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Drawn figures of one resolution."""
    drawn = open_source(write_drawn_table(tmp_path_factory.mktemp("drawn"), COUNT))
    return replace(drawn, table=drawn.table.drop(columns="mpp"))


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(1)
    return load_encoder("test_efficientnet", "random", **TINY)


def computed(figures, encoder, cache, views=1):
    return sum(part.computed for part in stream_embeddings(figures, encoder, cache, views))


def test_a_vector_is_what_the_network_pools_of_the_crop(figures, encoder):
    from PIL import Image

    vectors = embed_figures(figures, encoder, None, views=8)
    assert vectors.shape == (COUNT, 8, encoder.width)
    with Image.open(figures.path(figures.table["image"][3])) as image:
        assert image.size == (128, 128)
        crop = image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    for view, shown in ((0, crop), (1, crop.rotate(90)), (4, crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT))):
        pixels = torch.from_numpy(np.array(shown)).permute(2, 0, 1).float()[None] / 255
        with torch.inference_mode():
            backbone = encoder.network.backbone
            expected = backbone.forward_features((pixels - encoder.network.mean) / encoder.network.std).mean((2, 3))
        assert np.allclose(vectors[3, view], expected[0].numpy(), atol=1e-5), view


def test_nothing_is_computed_twice(figures, encoder, tmp_path):
    cache = EmbeddingCache(tmp_path)
    first = embed_figures(figures, encoder, cache)
    assert computed(figures, encoder, EmbeddingCache(tmp_path)) == 0
    assert np.array_equal(embed_figures(figures, encoder, cache), first)
    assert computed(figures, encoder, cache, views=3) == 2 * COUNT


def test_the_same_pixels_under_another_name_are_known(figures, encoder, tmp_path):
    from PIL import Image

    embed_figures(figures, encoder, EmbeddingCache(tmp_path / "cache"))
    folder = tmp_path / "others"
    folder.mkdir()
    for number, image in enumerate(figures.table["image"]):
        Image.open(figures.path(image)).save(folder / f"other_{number}.tif")
    others = open_source(folder)
    assert computed(others, encoder, EmbeddingCache(tmp_path / "cache")) == 0


def other(encoder, **changes):
    """The same network, shown or calculated otherwise."""
    given = {name: getattr(encoder, name) for name in ("network", "geometry", "name", "stain_normalization")}
    return Encoder(**given | changes)


def test_all_that_a_vector_depends_on_is_part_of_its_key(figures, encoder, tmp_path):
    from atypica.inference.card import Geometry
    from atypica.inference.stain import REFERENCES

    cache = EmbeddingCache(tmp_path)
    embed_figures(figures, encoder, cache)
    torch.manual_seed(2)
    others = {
        "weights": load_encoder("test_efficientnet", "random", **TINY),
        "field": other(encoder, geometry=Geometry(field_um=16, size_px=32)),
        "size": other(encoder, geometry=Geometry(field_um=32, size_px=64)),
        "stain": other(encoder, stain_normalization=REFERENCES["reinhard"]),
        "precision": other(encoder, precision="bfloat16"),
    }
    for name, changed in others.items():
        assert computed(figures, changed, cache) == COUNT, name
    assert computed(figures, other(encoder), cache) == 0


def test_normalization_and_pooling_are_part_of_the_fingerprint():
    torch.manual_seed(3)
    plain = load_encoder("test_vit", "random", size_px=32)
    before = plain.fingerprint
    assert other(plain).fingerprint == before
    plain.network.pooling = "average"
    assert other(plain).fingerprint != before
    plain.network.pooling = "own"
    plain.network.mean += 0.1
    assert other(plain).fingerprint != before


def test_the_head_is_no_part_of_the_fingerprint():
    encoder = load_encoder("test_vit", "random", size_px=32)
    before = encoder.fingerprint
    torch.nn.init.ones_(encoder.network.head.weight)
    assert other(encoder).fingerprint == before


def test_a_figure_that_cannot_be_read_is_named(figures, encoder, tmp_path):
    table = figures.table.copy()
    table.loc[2, "image"] = "gone.png"
    broken = replace(figures, table=table)
    parts = list(stream_embeddings(broken, encoder, None))
    errors = {row: error for part in parts for row, error in part.errors.items()}
    assert list(errors) == [2]
    assert "gone.png" in errors[2]
    assert sum(len(part.vectors) for part in parts) == COUNT - 1
    with pytest.raises(SourceError, match=f"1 of {COUNT} figures cannot be read, first: gone.png"):
        embed_figures(broken, encoder, None)


@pytest.mark.parametrize("views", [0, 9])
def test_impossible_views_are_refused(figures, encoder, views):
    with pytest.raises(SettingsError, match=f"{views} views"):
        embed_figures(figures, encoder, None, views=views)


def test_what_was_computed_before_a_stop_is_kept(figures, encoder, tmp_path):
    stream = stream_embeddings(figures, other(encoder, batch=1), EmbeddingCache(tmp_path), threads=1)
    next(stream)
    stream.close()
    assert computed(figures, encoder, EmbeddingCache(tmp_path)) < COUNT


# The cache alone: processes that write, are killed, and share.

FILE = file_name("tiny", "0" * 64)
WIDTH = 16


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def vector(number: int) -> np.ndarray:
    return np.full(WIDTH, number, dtype=np.float32)


def write(folder: Path, numbers: range, lot: int, pause: float) -> None:
    cache = EmbeddingCache(folder)
    for start in range(numbers.start, numbers.stop, lot):
        some = range(start, min(start + lot, numbers.stop))
        cache.put(FILE, {key(number): vector(number) for number in some})
        time.sleep(pause)


def start(*given):
    process = multiprocessing.get_context("fork").Process(target=write, args=given)
    process.start()
    return process


def test_a_kill_leaves_whole_lots_and_the_next_goes_on(tmp_path):
    process = start(tmp_path, range(10_000), 50, 0.001)
    cache = EmbeddingCache(tmp_path)
    deadline = time.monotonic() + 30
    while not cache.get(FILE, [key(200)], WIDTH) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    found = EmbeddingCache(tmp_path).get(FILE, [key(number) for number in range(10_000)], WIDTH)
    assert 200 < len(found) < 10_000
    assert len(found) % 50 == 0
    assert all(np.array_equal(values, vector(int.from_bytes(name, "big"))) for name, values in found.items())
    write(tmp_path, range(10_000, 10_010), 10, 0.0)
    assert len(cache.get(FILE, [key(10_003)], WIDTH)) == 1


def test_two_writers_share_a_folder(tmp_path):
    processes = [start(tmp_path, numbers, 5, 0.001) for numbers in (range(150), range(75, 225))]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    found = EmbeddingCache(tmp_path).get(FILE, [key(number) for number in range(225)], WIDTH)
    assert len(found) == 225


def test_a_damaged_file_is_one_readable_error(tmp_path):
    cache = EmbeddingCache(tmp_path)
    cache.path(FILE).write_bytes(b"no database at all" * 500)
    with pytest.raises(SettingsError, match="is damaged") as raised:
        cache.get(FILE, [key(1)], WIDTH)
    assert "delete" in raised.value.fix


def test_a_place_that_cannot_be_written_is_one_readable_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write") as raised:
        EmbeddingCache(tmp_path / "file" / "below").get(FILE, [key(1)], WIDTH)
    assert "--cache" in raised.value.fix


def test_vectors_computed_elsewhere_are_those_computed_here(tmp_path, monkeypatch):
    figures = open_source(str(write_drawn_table(tmp_path / "drawn", COUNT)))
    (figures.root / figures.table["image"][3]).write_bytes(b"no image")
    weights = tmp_path / "weights.safetensors"
    save_file(dict(timm.create_model("test_efficientnet", num_classes=0).state_dict()), weights)
    encoder = load_encoder("test_efficientnet", str(weights), size_px=32)
    here = {row: v for part in stream_embeddings(figures, encoder, None, 2) for row, v in part.vectors.items()}
    monkeypatch.setattr(spread, "JOB_SIZE", 4)
    make = MakeEmbedder("test_efficientnet", str(weights), {"size_px": 32}, tmp_path / "cache", 2, None, 1, True)
    said, executor = [], Carrying(lost=("it was killed",))
    parts = list(spread_embeddings(figures, make, executor, said.append))
    there = {row: vector for part in parts for row, vector in part.vectors.items()}
    assert len(executor.jobs) == len(said) == 3
    assert there.keys() == here.keys() == set(range(COUNT)) - {3}
    assert all(np.allclose(there[row], here[row], atol=1e-5) for row in here)
    assert [row for part in parts for row in part.errors] == [3]
    assert sum(part.computed for part in parts) == 2 * (COUNT - 1)
    again = list(spread_embeddings(figures, replace(make, vectors=False), Carrying(), said.append))
    assert sum(part.computed for part in again) == 0
    assert sum(vector.size for part in again for vector in part.vectors.values()) == 0
    with pytest.raises(OutputError, match="does not see"):
        replace(make, cache=tmp_path / "on another machine")()
