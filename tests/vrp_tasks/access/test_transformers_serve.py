"""A server that is not ours: ``transformers serve``, which shows text alone."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import lmms_eval.evaluator  # noqa: F401 - builds torch modules when imported
import pytest

from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, read
from tests.vrp_tasks.helpers.served import evaluate

pytest.importorskip("fastapi", reason="transformers serve needs it")
pytest.importorskip("uvicorn", reason="transformers serve needs it")


@pytest.fixture(scope="module")
def served():
    """Address and model name of a server over a shipped checkpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = str(CHECKPOINTS / "vrp-tiny-llava")
    started = subprocess.Popen(
        [
            *(sys.executable, "-m", "transformers.cli.transformers", "serve", model),
            *("--device", "cpu", "--host", "127.0.0.1", "--port", str(port)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            assert started.poll() is None, "the server did not start"
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1", model
    finally:
        started.terminate()
        started.wait()


def test_a_black_box_is_found_out_and_its_answers_count(served, tmp_path):
    url, model = served
    arguments = f"model={model},base_url={url},api_key=none,num_concurrent=2,k=3"
    evaluate("openai", arguments, tmp_path / "grey", limit=12)
    white = f"pretrained={model},device_map=cpu,k=0"
    evaluate("llava_hf", white, tmp_path / "white", limit=12)
    (grey,) = Path(tmp_path / "grey").glob("*/*_vrp")
    (white,) = Path(tmp_path / "white").glob("*/*_vrp")
    _, manifest, records = read(grey)
    found = manifest["model"]["server"]
    assert "asked for, and not returned" in found["logprobs"]
    assert "n=3 was asked for, 1 came" in found["samples_per_request"]
    assert "ignores the temperature" in found["sampling"]
    reasons = manifest["not_offered"]
    assert reasons["vrp_shapes:self_consistency"] == found["sampling"]
    assert reasons["vrp_shapes:token_confidence"] == found["logprobs"]
    assert manifest["cost"]["requests"] == 12
    assert all(record.signals == {} for record in records)
    assert [record.answer for record in records] == [record.answer for record in read(white)[2]]
