"""Bad input is one clear line, before a model is loaded."""

import json
import re
import shutil
from argparse import Namespace

import lmms_eval.evaluator as evaluator  # here: it builds torch modules when imported
import pytest
import torch

from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS
from tests.vrp_tasks.helpers.planted_probe import planted_probe


def cli(tmp_path, *, model="qwen2_vl", arguments=None, output=None):
    arguments = arguments or f"pretrained={CHECKPOINTS / 'vrp-tiny-qwen2-vl'}"
    with pytest.raises(SystemExit) as stopped:
        evaluator.simple_evaluate(
            model=model,
            model_args=arguments,
            tasks=["vrp_shapes"],
            cli_args=Namespace(output_path=str(output or tmp_path)),
        )
    return str(stopped.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arguments": "pretrained=./nowhere"}, "pretrained=./nowhere is not a folder"),
        ({"arguments": "pretrained=nobody/nothing"}, "no readable checkpoint config there"),
        (
            {"arguments": f"pretrained={CHECKPOINTS / 'vrp-tiny-llava'}"},
            "is a 'llava' checkpoint, --model qwen2_vl takes 'qwen2_vl'. Use --model llava_hf.",
        ),
        (
            {"model": "instructblip", "arguments": "pretrained=x,access=transformers"},
            "access=transformers cannot be had through --model instructblip",
        ),
        (
            {"model": "instructblip", "arguments": "pretrained=x,k=1"},
            "k must be at least 2 .*got 1",
        ),
        ({"model": "nosuch"}, "--model nosuch cannot be loaded"),
        (
            {"arguments": "pretrained=x,access=white"},
            "auto, transformers, vllm, openai, text, got 'white'",
        ),
        ({"arguments": "pretrained=x,subsett=5"}, "unknown model argument 'subsett'"),
        ({"arguments": "pretrained=x,k=1"}, "k must be at least 2 .*got 1"),
        (
            {"arguments": "pretrained=x,k=many"},
            "k must be a whole number, got 'many'",
        ),
        ({"arguments": "pretrained=x,hidden_dtype=int8"}, "float16, float32 or none, got 'int8'"),
        ({"arguments": "pretrained=x,blank_image=2"}, "blank_image must be true or false, got 2"),
        ({"arguments": "pretrained=x,extra=ptrue+vaq"}, "extra=vaq: there is no such detector. Th"),
        ({"arguments": "pretrained=x,probe=./nowhere"}, "probe=nowhere: no saved probe"),
        ({"output": "/dev/null/out"}, "cannot write to the output folder /dev/null/out"),
    ],
)
def test_bad_input_is_one_clear_line_before_the_model_is_loaded(
    options, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.nn.Module, "__init__", lambda *_: pytest.fail("a model was built"))
    said = cli(tmp_path, **options)
    assert said.startswith("vrp-tasks: ")
    assert "\n" not in said
    assert re.search(message, said) or message in said


def test_a_probe_of_another_width_is_refused(tmp_path):
    planted_probe(tmp_path / "probe", d_model=64)
    checkpoint = CHECKPOINTS / "vrp-tiny-qwen2-vl"
    said = cli(tmp_path, arguments=f"pretrained={checkpoint},probe={tmp_path / 'probe'}")
    assert "reads 6 layers of 64 dimensions, this model has 6 of 128" in said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stop_strings": ["."]}, "asks for stop_strings=['.']: lmms-eval's adapters give"),
        ({"penalty_alpha": 0.6, "top_k": 4}, "asks for penalty_alpha=0.6: it changes how"),
        ({"dola_layers": "high"}, "asks for dola_layers=high: it changes how"),
        ({"cache_implementation": "quantized"}, "asks for cache_implementation=quantized"),
    ],
)
def test_a_checkpoint_that_asks_for_another_decoding_is_refused_before_it_is_loaded(
    settings, message, tmp_path, monkeypatch
):
    folder = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINTS / "vrp-tiny-qwen2-vl", folder)
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | settings))
    monkeypatch.setattr(torch.nn.Module, "__init__", lambda *_: pytest.fail("a model was built"))
    said = cli(tmp_path, arguments=f"pretrained={folder}")
    assert said.startswith("vrp-tasks: the checkpoint's generation_config.json asks for ")
    assert message in said
    assert "\n" not in said
