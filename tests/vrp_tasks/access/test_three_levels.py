"""One checkpoint in white, grey and black: three commands, their tables, and what compare says."""

import json

import pytest

from leaderboard.cli import main
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, read
from tests.vrp_tasks.helpers.fake_vllm import FakeLLM, vllm_is
from tests.vrp_tasks.helpers.loopback import Checkpoint
from tests.vrp_tasks.helpers.served import evaluate

NAME = "vrp-tiny-llava"
QUESTIONS = 190  # of 24 images, and enough wrong answers for a verdict on confidence


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run folders by level; of the same weights, asked in the same words."""
    output, checkpoint = tmp_path_factory.mktemp("runs"), CHECKPOINTS / NAME
    asked = f"model={checkpoint},max_new_tokens=8,k=2"
    white = f"pretrained={checkpoint},device_map=cpu,k=2,hidden_dtype=none"
    evaluate("llava_hf", white, output / "white", limit=QUESTIONS)
    with vllm_is(FakeLLM(Checkpoint(NAME))):
        evaluate("vllm", asked, output / "grey", limit=QUESTIONS)
        evaluate("vllm", f"{asked},access=text", output / "black", limit=24)
    found = {level: next(output.glob(f"{level}/*/*_vrp")) for level in ("white", "grey", "black")}
    return output, found


@pytest.mark.slow
def test_white_against_grey_is_unchanged_for_accuracy_and_confidence(runs, tmp_path):
    _, found = runs
    margins = "[margins]\naccuracy = 0.25\n"
    margins += "".join(
        f"[margins.{kind}]\ntoken_confidence = 0.25\n" for kind in ("auroc", "brier")
    )
    (tmp_path / "tolerances.toml").write_text(margins)
    tolerances = ["--tolerances", str(tmp_path / "tolerances.toml")]
    pair = [str(found["white"]), str(found["grey"])]
    assert main(["compare", *pair, *tolerances, "-o", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "compare.json").read_text())
    assert [own["gate"] for own in told["gates"]] == [
        "accuracy", "auroc.token_confidence", "brier.token_confidence"
    ]  # fmt: skip
    assert {own["verdict"] for own in told["gates"]} == {"unchanged within margin"}
    assert told["gates"][0]["difference"] == 0
    assert told["prompts"] == []  # nothing to be said of words: they are the same


@pytest.mark.slow
def test_each_level_stands_in_the_tables_of_what_it_offers(runs, tmp_path):
    output, found = runs
    assert main(["build", str(output), "-o", str(tmp_path)]) == 0
    levels = {level: read(folder)[1]["model"]["access"] for level, folder in found.items()}
    assert levels == {"white": "transformers", "grey": "vllm", "black": "text"}
    rows = {}
    for part in (tmp_path / "leaderboard.md").read_text().split("\n## ")[1:]:
        title, _, rest = part.partition("\n")
        rows[title.partition(" on ")[0].partition(" (")[0]] = rest.count("| chat.")
    assert rows["Ranks of models by their answers"] == 3
    assert rows["Ranks of models by log-probabilities"] == 2
    assert "Ranks of models by their inside" not in rows  # one alone has no rank
