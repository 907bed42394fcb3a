import hashlib
import inspect
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from transformers import CLIPImageProcessor, SiglipImageProcessor

from vrp_tasks import hashing
from vrp_tasks.access.identity import center_crop, checkpoint_identity, stock_arguments
from vrp_tasks.attach.judgement import Judgement
from vrp_tasks.attach.results import record_without
from vrp_tasks.place import Place
from vrp_tasks.run.provenance import prompts_of, without_secrets


@pytest.mark.parametrize(
    ("processor", "share"),
    [
        (SiglipImageProcessor(size={"height": 224, "width": 224}), 0.0),
        (CLIPImageProcessor(size={"shortest_edge": 336}, crop_size=336), 1.0),
        (CLIPImageProcessor(size={"shortest_edge": 256}, crop_size=192), 0.75),
        (CLIPImageProcessor(size={"shortest_edge": 224}, do_center_crop=False), 0.0),
        (CLIPImageProcessor(size={"shortest_edge": 100}), None),  # padded to its crop size
        (object(), None),
    ],
)
def test_what_the_grid_covers_is_said_or_left_open(processor, share):
    assert center_crop(processor) == share


def test_model_arguments_are_those_that_the_stock_adapter_works_with():
    def stock(self, pretrained="a", device="cuda", dtype="auto", size=3, *, mode=None, **rest):
        pass

    parameters = inspect.signature(stock).parameters
    defaults = {"dtype": "auto", "mode": None, "size": 3}
    assert stock_arguments(parameters, {}) == defaults
    given = {"pretrained": "b", "device": "cpu", "batch_size": 4, "max_batch_size": 8, "size": 5}
    assert stock_arguments(parameters, given) == defaults | {"size": 5}
    more = {"dtype": torch.float16, "mode": Path("x"), "extra": True}
    assert stock_arguments(parameters, more) == {
        "dtype": "float16", "extra": True, "mode": "x", "size": 3
    }  # fmt: skip


def layers(**changes):
    rng = np.random.default_rng(0)
    names = (f"layers.{n}.weight" for n in range(4))
    return {n: rng.normal(size=(64, 64)).astype(np.float32) for n in names} | changes


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("large", [True, False])
def test_a_changed_layer_is_another_checkpoint_whatever_its_size(
    suffix, large, tmp_path, monkeypatch
):
    monkeypatch.setenv("VRP_TASKS_CACHE", str(tmp_path / "cache"))
    if large:
        monkeypatch.setattr(hashing, "_LARGE", 1)
    files = [tmp_path / f"model-{n}.{suffix}" for n in (1, 2)]
    for file in files:
        save_file(layers(), file)
    before = checkpoint_identity(str(tmp_path), None)
    assert before["weights_sha256_of"] == "all bytes"
    assert checkpoint_identity(str(tmp_path), None) == before
    there = files[1].stat()
    save_file(layers(**{"layers.3.weight": np.zeros((64, 64), np.float32)}), files[1])
    os.utime(files[1], ns=(there.st_atime_ns, there.st_mtime_ns))  # as a restored copy has
    assert files[1].stat().st_size == there.st_size
    assert checkpoint_identity(str(tmp_path), None) != before


def test_a_large_file_is_read_once(tmp_path, monkeypatch):
    monkeypatch.setenv("VRP_TASKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hashing, "_LARGE", 8)
    (tmp_path / "large").write_bytes(b"12345678")
    (tmp_path / "small").write_bytes(b"1234")
    paths = [tmp_path / "large", tmp_path / "small"]
    plain = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    read, stock = [], hashing.sha256_of
    monkeypatch.setattr(hashing, "sha256_of", lambda path: read.append(path) or stock(path))
    assert hashing.remembered_sha256(paths) == plain
    assert hashing.remembered_sha256(paths) == plain
    assert sorted(read) == sorted([*paths, paths[1]])
    (tmp_path / "cache" / "file_hashes.json").write_text("[1]")  # of another make, or spoilt
    assert hashing.remembered_sha256(paths) == plain
    monkeypatch.setenv("VRP_TASKS_CACHE", str(tmp_path / "small" / "below"))  # nowhere to write
    assert hashing.remembered_sha256(paths) == plain


def test_a_grid_that_leaves_a_margin_covers_no_central_square():
    processor = SiglipImageProcessor(size={"height": 384, "width": 384})
    assert center_crop(processor, shown=378 / 384) is None


def test_no_secret_goes_into_a_manifest():
    def stock(self, model="a", api_key=None, base_url=None, num_concurrent=32, video_fps=None):
        pass

    given = {"api_key": "sk-1", "base_url": "http://u:p@host/v1", "model": "b"}
    parameters = inspect.signature(stock).parameters
    assert stock_arguments(parameters, given) == {"video_fps": None}
    command = ["lmms-eval", "--model_args", "model=b,api_key=sk-1,k=4,hf_token=x y", "--tasks=t"]
    said = without_secrets(command)
    assert said == ["lmms-eval", "--model_args", "model=b,api_key=***,k=4,hf_token=*** y",
                    "--tasks=t"]  # fmt: skip
    plain = ["lmms-eval", "--gen_kwargs", "max_tokens=3", "--limit", "4"]
    assert without_secrets(plain) == plain


def record_at(task, doc):
    judged = Judgement(Place(task, "test", doc), "a", 1.0, None, 1, "g", "k", "a", str)
    return record_without(judged, "no reason")


def test_prompts_are_told_apart_by_their_hashes():
    records = [record_at("t", "0"), record_at("t", "1")]
    here = [Place("t", "test", doc) for doc in "01"]
    first = dict(zip(here, ("messages:aa", "messages:bb"), strict=True))
    found = prompts_of(first, records)["t"]
    assert (found["of"], len(found["sha256"])) == ("messages", 64)
    elsewhere = {Place("t", "test", "7"): "messages:cc", Place("u", "test", "0"): "tokens:dd"}
    assert prompts_of(elsewhere | first, records) == {"t": found}  # the run's own
    other = first | {here[1]: "messages:zz"}
    assert prompts_of(other, records)["t"]["sha256"] != found["sha256"]
    assert prompts_of(dict.fromkeys(here), records) == {}
