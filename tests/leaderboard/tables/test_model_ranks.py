"""Models are ranked per figure, among those of which as much is seen."""

from dataclasses import replace

import pytest

from leaderboard.release.compare import compare_runs
from leaderboard.release.outputs import gates_table
from leaderboard.release.tolerances import Tolerances
from leaderboard.results.aggregate import build_board
from leaderboard.runs.origin import adapter_of, engine_of, prompts_text, sampling_of
from leaderboard.runs.read import Run, read_runs
from leaderboard.tables.formats import to_markdown
from leaderboard.tables.ranks import rank_tables
from metrics.signals import BY_NAME, SIGNALS
from tests.leaderboard.helpers.golden import make_manifest, make_records, write_run

SETTINGS = {"k": 10, "temperature": 0.7, "top_p": 0.9, "seed": 0}
SERVED = {
    "name": "grey",
    "access": "openai",
    "adapter": "lmms_eval.models.chat.openai.OpenAICompatible",
    "engine": "vllm",
    "server": {"fingerprint": "vllm-0.32.0"},
}
INSIDE = {
    "name": "white",
    "access": "transformers",
    "adapter": "lmms_eval.models.simple.qwen2_vl.Qwen2_VL",
}
TEXT = {"name": "black", "access": "text", "adapter": "lmms_eval.models.simple.x.X"}


def only(records, names):
    return [replace(r, signals={n: v for n, v in r.signals.items() if n in names}) for r in records]


def left_out(names):
    every = ("token_confidence", "self_consistency", "spatial_entropy", "probe")
    return {f"shapes:{name}": "not seen" for name in every if name not in names}


@pytest.fixture
def board(tmp_path):
    """White, grey and black, and a black one that drew other samples."""
    records = make_records(400)
    seen = {
        "white": (INSIDE, ("token_confidence", "self_consistency", "spatial_entropy", "probe")),
        "grey": (SERVED, ("token_confidence", "self_consistency")),
        "black": (TEXT, ("self_consistency",)),
        "other": (TEXT | {"name": "other"}, ("self_consistency",)),
    }
    for name, (model, signals) in seen.items():
        settings = SETTINGS | ({"k": 5} if name == "other" else {})
        write_run(
            tmp_path / name,
            only(records, signals),
            model=model,
            settings=settings,
            not_offered=left_out(signals),
        )
    return build_board(read_runs([tmp_path]))


def rows_of(table):
    return {row[0].lines[0] for row in table.blocks[0].rows}


def test_three_nested_tables_and_other_samples_apart(board):
    tables = {table.title: table for table in rank_tables(board, "shapes")[1:]}
    everybody, answers, tokens = tables.values()  # one white model alone is not ranked
    assert rows_of(everybody) == {"white", "grey", "black", "other"}
    assert rows_of(answers) == {"white", "grey", "black"}
    assert rows_of(tokens) == {"white", "grey"}
    assert answers.title == (
        "Ranks of models by their answers (10 samples, T = 0.7, top-p = 0.9) on shapes"
    )
    assert answers.columns[1] == BY_NAME["self_consistency"].label
    assert tokens.columns[1] == BY_NAME["token_confidence"].label
    assert len({table.key for table in tables.values()}) == len(tables)
    for table in tables.values():
        assert "not offered" not in to_markdown(table)


def test_every_signal_is_of_one_depth():
    depths = {signal.name: signal.depth for signal in SIGNALS}
    assert depths["self_consistency"] == "answers"
    assert depths["logit_entropy"] == depths["first_token_margin"] == "log-probabilities"
    assert depths["probe"] == depths["spatial_entropy"] == depths["answer_margin"] == "inside"


def manifest(model, **changes):
    return make_manifest(make_records(40), model=model, **changes)


def test_what_made_the_answers_is_told():
    assert adapter_of(manifest(SERVED)) == "chat.openai"
    assert engine_of(manifest(SERVED)) == "server vllm vllm-0.32.0"
    assert engine_of(manifest(TEXT)) == "not known"
    white = manifest(INSIDE, versions={"transformers": "5.23.0"})
    assert (adapter_of(white), engine_of(white)) == ("simple.qwen2_vl", "transformers 5.23.0")
    assert adapter_of(manifest({"name": "m"})) == "not recorded"
    assert sampling_of(manifest(SERVED, settings=SETTINGS | {"top_k": None})) == (
        "10 samples, T = 0.7, top-p = 0.9"
    )
    assert prompts_text(manifest(SERVED), "shapes") == "not recorded"


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ((("messages", "a" * 64), ("messages", "a" * 64)), None),
        ((("messages", "a" * 64), ("messages", "b" * 64)), "the runs were asked in other words"),
        ((("token ids", "a" * 64), ("messages", "a" * 64)), "cannot be told"),
        ((None, ("messages", "a" * 64)), "cannot be told"),
    ],
)
def test_a_release_check_says_which_engines_it_compares(prompts, said, tmp_path):
    records = make_records(400)
    runs = []
    for model, own in zip((INSIDE, SERVED), prompts, strict=True):
        found = manifest(model, settings=SETTINGS)
        tasks = {
            task: entry | {"prompts": own and dict(zip(("of", "sha256"), own, strict=True))}
            for task, entry in found.tasks.items()
        }
        runs.append(Run(tmp_path, replace(found, tasks=tasks), tuple(records)))
    comparison = compare_runs(*runs, Tolerances({"accuracy": 0.02}))
    assert "simple.qwen2_vl, transformers" in comparison.old
    assert "chat.openai, server vllm vllm-0.32.0" in comparison.new
    text = to_markdown(gates_table(comparison, comparison.tasks[0]))
    assert (said is None) == (comparison.prompts == ())
    assert said is None or said in text
