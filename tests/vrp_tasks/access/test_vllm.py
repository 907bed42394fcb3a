"""vLLM itself, served and in one process: ``make test-vllm VLLM_PYTHON=<a Python that has vLLM>``.

The process needs lmms-eval beside vLLM (``pip install '.[probe]'`` there).
"""

import os
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import numpy as np
import pytest

from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, read
from tests.vrp_tasks.helpers.loopback import KEY, NAME, Checkpoint, loopback
from tests.vrp_tasks.helpers.served import FROM_TOKENS, evaluate

PYTHON = os.environ.get("VLLM_PYTHON")
pytestmark = pytest.mark.skipif(not PYTHON, reason="VLLM_PYTHON names no Python that has vLLM")
CHECKPOINT = "vrp-tiny-qwen2-vl"
N = 100
M = 32  # of each run in one process


@pytest.fixture
def server(request, tmp_path):
    """Address of a vLLM server over a shipped checkpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "vllm.log").open("w") as log:
        started = subprocess.Popen(
            [
                *(PYTHON, "-m", "vllm.entrypoints.openai.api_server"),
                *("--model", str(CHECKPOINTS / CHECKPOINT), "--served-model-name", NAME),
                *("--host", "127.0.0.1", "--port", str(port), "--api-key", KEY),
                *("--dtype", "float32", "--enforce-eager", "--max-model-len", "1024"),
                # vLLM 0.32 on a CPU fails at a seed where it prefills in chunks
                *("--no-enable-chunked-prefill", "--max-num-batched-tokens", "4096"),
                *("--logprobs-mode", request.param),
            ],
            stdout=log,
            stderr=log,
            env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
        )
        try:
            for _ in range(1800):
                assert started.poll() is None, (tmp_path / "vllm.log").read_text()[-2000:]
                try:
                    urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.5)
            else:
                pytest.fail("vLLM did not start in time")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            started.terminate()
            started.wait()


def run(url, output):
    evaluate(
        "openai", f"model={NAME},base_url={url},api_key={KEY},num_concurrent=16", output, limit=N
    )
    (folder,) = output.glob("*/*_vrp")
    return read(folder)[1:]


def assert_equal_in_distribution(records, expected):
    ours, theirs = (
        np.array([r.signals["self_consistency"] for r in found]) for found in (records, expected)
    )
    difference = ours - theirs  # of independent draws from the same distribution
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(difference))


@pytest.mark.parametrize("server", ["raw_logprobs"], indirect=True)
def test_answers_and_confidence_are_those_of_transformers_at_the_same_prompts(server, tmp_path):
    manifest, records = run(server, tmp_path / "vllm")
    with loopback(Checkpoint(CHECKPOINT)) as reference:
        other, expected = run(reference.url, tmp_path / "transformers")
    assert manifest["tasks"]["vrp_shapes"]["prompts"] == other["tasks"]["vrp_shapes"]["prompts"]
    assert [r.answer for r in records] == [r.answer for r in expected]
    for own, inside in zip(records, expected, strict=True):
        for name in FROM_TOKENS:
            assert own.signals[name] == pytest.approx(inside.signals[name], abs=1e-4)
    assert_equal_in_distribution(records, expected)
    model = manifest["model"]
    assert (model["engine"], model["server"]["logprobs_are_raw"]) == ("vllm", True)
    assert model["server"]["samples_per_request"] == "all"
    assert model["server"]["same_seed_same_sample"] is True
    assert manifest["cost"]["requests"] == 2 * N


@pytest.mark.parametrize("server", ["processed_logprobs"], indirect=True)
def test_log_probabilities_after_temperature_are_found_out(server, tmp_path):
    manifest, _ = run(server, tmp_path)
    reason = manifest["not_offered"]["vrp_shapes:token_confidence"]
    assert "after temperature" in reason
    assert "vrp_shapes:self_consistency" not in manifest["not_offered"]


ENGINE = (
    "dtype=float32,enforce_eager=True,max_model_len=512,max_new_tokens=8,block_size=32,"
    "enable_chunked_prefill=False,max_num_batched_tokens=2048,distributed_executor_backend=uni"
)
ONE_PROCESS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "PYTHONPATH": str(CHECKPOINTS.parents[2]),
}
# PaliGemma has no chat template, and its processor puts the image's tokens in front
PLAIN = (
    "{% for m in messages %}{% for part in m['content'] if part['type'] == 'text' %}"
    "{{ part['text'] }}{% endfor %}{% endfor %}"
)


def in_one_process(python, model, arguments, output, *, limit=N):
    """A run by lmms-eval's command in some environment; its folder."""
    command = ["--model", model, "--model_args", arguments, "--tasks", "vrp_shapes"]
    command += ["--limit", str(limit), "--output_path", str(output), "--batch_size", "1"]
    start = "import runpy, vrp_tasks; runpy.run_module('lmms_eval', run_name='__main__')"
    done = subprocess.run(
        [python, "-c", start, *command],
        env=os.environ | ONE_PROCESS,
        capture_output=True,
        text=True,
        check=False,
    )
    folders = [path.parent for path in output.glob("*/*_vrp/manifest.json")]
    assert len(folders) == 1, done.stderr[-2000:]
    return folders[0]


def in_both(inside, model, checkpoint, output, more=""):
    """Manifest and records of one process with an engine, and of transformers."""
    folder = CHECKPOINTS / checkpoint
    arguments = f"model={folder},{ENGINE},max_logprobs=-1,k=4{more}"
    own = in_one_process(PYTHON, model, arguments, output / "vllm", limit=M)
    other = in_one_process(
        sys.executable,
        inside,
        f"pretrained={folder},device_map=cpu,k=4",
        output / "inside",
        limit=M,
    )
    found = read(own)[1:], read(other)[1:]
    asked = [manifest["tasks"]["vrp_shapes"]["prompts"] for manifest, _ in found]
    assert asked[0] == asked[1]
    return found


@pytest.mark.parametrize(
    ("model", "checkpoint"), [("vllm", "vrp-tiny-qwen2-vl"), ("vllm_generate", "vrp-tiny-llava")]
)
def test_an_engine_in_one_process_is_as_transformers_at_the_same_prompts(
    model, checkpoint, tmp_path
):
    (manifest, records), (_, expected) = in_both("vrp_hf", model, checkpoint, tmp_path)
    assert [r.answer for r in records] == [r.answer for r in expected]
    for one, known in zip(records, expected, strict=True):
        for name in (*FROM_TOKENS, "first_token_entropy", "logit_entropy"):
            assert one.signals[name] == pytest.approx(known.signals[name], abs=1e-5)
    assert_equal_in_distribution(records, expected)
    found = manifest["model"]["engine_findings"]
    assert (found["logprobs_are_raw"], found["same_seed_same_sample"]) == (True, True)
    assert manifest["invalid"] == {}


def test_paligemma_is_given_the_same_prompt_and_attends_otherwise(tmp_path):
    """vLLM lets image tokens alone attend both ways, transformers the question too."""
    (tmp_path / "plain.jinja").write_text(PLAIN)
    more = f",chat_template={tmp_path / 'plain.jinja'}"
    found = in_both("paligemma", "vllm", "vrp-tiny-paligemma", tmp_path, more)
    equal = [a.answer == b.answer for a, b in zip(found[0][1], found[1][1], strict=True)]
    assert np.mean(equal) > 0.8


def test_log_probabilities_after_temperature_are_found_out_in_one_process_too(tmp_path):
    arguments = f"model={CHECKPOINTS / CHECKPOINT},{ENGINE},logprobs_mode=processed_logprobs,k=2"
    _, manifest, _ = read(in_one_process(PYTHON, "vllm", arguments, tmp_path, limit=4))
    reason = manifest["not_offered"]["vrp_shapes:token_confidence"]
    assert "logprobs_mode=processed_logprobs" in reason
    assert "vrp_shapes:self_consistency" not in manifest["not_offered"]
