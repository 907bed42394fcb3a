"""Names that no YAML has: registered without reading anything again, checked before a model."""

import sys
from pathlib import Path

import pytest
from lmms_eval import utils
from lmms_eval.tasks import TaskManager

import vrp_tasks.registration as registration
from tests.vrp_tasks.helpers.local_task import write_local_tasks
from vrp_tasks.attach.__main__ import main
from vrp_tasks.attach.names import expanded
from vrp_tasks.attach.preflight import check_asked, tasks_asked_for
from vrp_tasks.attach.scorer import AttachedScorer
from vrp_tasks.errors import SetupError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    write_local_tasks(folder, n_scenes=2)
    (folder / "mine.yaml").write_text("group: mine\ntask:\n  - vrp_local_plain\n  - local_plain\n")
    return folder


@pytest.fixture
def manager(folder):
    registration.install_hooks()
    return TaskManager(include_path=[str(folder), str(registration.TASKS_FOLDER)],
                       include_defaults=False)  # fmt: skip


def test_a_task_without_a_yaml_is_found_when_it_is_asked_for(manager, monkeypatch):
    assert "vrp_local_plain" not in manager.all_tasks
    monkeypatch.setattr(utils, "load_yaml_config", lambda *_, **__: pytest.fail("read again"))
    assert manager.match_tasks(["vrp_local_plain", "local_*"]) == [
        "local_function",
        "local_plain",
        "vrp_local_plain",
    ]


def test_the_base_is_taken_over_and_its_version_kept(manager):
    manager.match_tasks(["vrp_local_plain"])
    base, ours = manager._get_config("local_plain"), manager._get_config("vrp_local_plain")
    taken = ("dataset_path", "dataset_kwargs", "doc_to_text", "doc_to_target", "test_split")
    assert {key: ours[key] for key in taken} == {key: base[key] for key in taken}
    assert ours["generation_kwargs"] == base["generation_kwargs"]
    assert ours["metadata"]["version"] == 3.0
    assert isinstance(ours["process_results"], AttachedScorer)
    assert ours["metric_list"][0]["metric"] == "exact_match"


def test_a_yaml_of_ours_may_have_a_version_and_overrides_of_its_own(manager, folder):
    text = (folder / "vrp_by_file.yaml").read_text()
    (folder / "vrp_short.yaml").write_text(
        text.replace("vrp_by_file", "vrp_short") + "generation_kwargs: {max_new_tokens: 2}\n"
    )
    fresh = TaskManager(include_path=str(folder), include_defaults=False)
    config = fresh._get_config("vrp_short")
    assert config["generation_kwargs"] == {"max_new_tokens": 2}
    assert (config["metadata"]["version"], config["metadata"]["base_version"]) == (1.5, 3.0)


@pytest.mark.parametrize("variant", ["robustness", "grounding"])
@pytest.mark.parametrize("whole", ["vrp_local_plain", "vrp_by_file", "vrp_shapes_relation"])
def test_variants_are_the_same_task_with_a_key_set(manager, whole, variant):
    name = f"{whole}_{variant}"
    manager.match_tasks([name, whole])
    config, plain = manager._get_config(name), manager._get_config(whole)
    assert config["task"] == name
    assert config["metadata"]["vrp"][variant] is True
    assert variant not in plain["metadata"]["vrp"]
    assert config["doc_to_text"] == plain["doc_to_text"]


def test_a_variant_with_a_yaml_stays_what_its_yaml_says(manager):
    config = manager._get_config("vrp_shapes_robustness")
    assert config["metadata"]["vrp"]["robustness"]["doses"] == "quick"


def test_groups_may_hold_names_without_a_yaml(manager):
    found = list(expanded(manager, ["mine", "vrp_by_*"]))
    assert found == [("vrp_local_plain", {}), ("local_plain", {}), ("vrp_by_file", {})]
    loaded = manager.load_task_or_group(["mine"], "simple")
    (tasks,) = loaded.values()
    assert set(tasks) == {"vrp_local_plain", "local_plain"}


def test_a_configuration_given_as_a_dict_is_built_too(manager):
    config = {"task": "vrp_inline", "metadata": {"vrp": {"base": "local_plain"}}}
    task = manager.load_config(config)["vrp_inline"]
    assert isinstance(task.config.process_results, AttachedScorer)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vrp_local_plane", "lmms-eval has no task 'local_plane'. Close: local_plain"),
        ("vrp_mine", "mine is a group of tasks; attach to them: vrp_vrp_local_plain"),
        ("vrp_local_function", "local_function scores answers in 3 ways. Keys: "),
        ("vrp_vrp_shapes", "vrp_shapes has reliability already"),
    ],
)
def test_a_name_that_cannot_be_made_is_one_line_before_the_model(manager, name, message):
    with pytest.raises(SetupError, match=message) as error:
        tasks_asked_for({"tasks": [name], "task_manager": manager})
    assert "\n" not in str(error.value)


def test_a_base_is_found_by_a_manager_without_the_stock_tasks():
    manager = TaskManager(include_path=str(registration.TASKS_FOLDER), include_defaults=False)
    manager.match_tasks(["vrp_realworldqa"])
    assert manager._get_config("vrp_realworldqa")["process_results"].rule.keys == ("exact_match",)


def test_a_run_without_our_tasks_needs_no_manager():
    asked = {"tasks": ["pope"]}
    assert tasks_asked_for(asked) == {}
    assert asked == {"tasks": ["pope"]}


OWN = """
task: {name}
metadata:
  vrp: {{base: local_function, score: my_accuracy, check: own_checks:{check}}}
"""
NESTED = """
group: nested
task:
  - local_plain
  - group: inner
    task:
      - short_name
      - {task: written_here, metadata: {vrp: {base: local_plain, check: own_checks:refuse}}}
"""


@pytest.fixture
def own(folder, tmp_path, monkeypatch):
    """A manager of tasks whose names do not begin with ours, and a group in a group."""
    (tmp_path / "own_checks.py").write_text(
        "from vrp_tasks.errors import SetupError\n\ndef accept(name):\n    pass\n\n"
        "def refuse(name):\n    raise SetupError(f'task {name}: no key')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_checks", raising=False)
    (tmp_path / "short.yaml").write_text(OWN.format(name="short_name", check="accept"))
    (tmp_path / "late.yaml").write_text(OWN.format(name="late_name", check="refuse"))
    (tmp_path / "nested.yaml").write_text(NESTED)
    registration.install_hooks()
    return TaskManager(include_path=[str(folder), str(tmp_path)], include_defaults=False)


def test_tasks_of_ours_are_known_by_their_settings_not_their_names(own):
    asked = {"tasks": ["nested", "late_name", "local_function"], "task_manager": own}
    ours = tasks_asked_for(asked)
    assert list(ours) == ["short_name", "written_here", "late_name"]
    assert all(isinstance(c["process_results"], AttachedScorer) for c in ours.values())


@pytest.mark.parametrize(("asked", "name"), [("nested", "written_here"), ("late_*", "late_name")])
def test_a_check_runs_before_the_model_whatever_the_name(own, asked, name):
    asked = {"tasks": [asked], "task_manager": own}
    with pytest.raises(SetupError, match=f"task {name}: no key"):
        check_asked(tasks_asked_for(asked), asked)


def test_the_code_of_other_tasks_is_not_run(own, tmp_path, monkeypatch):
    (tmp_path / "theirs.yaml").write_text(
        "task: theirs\nprocess_results: !function theirs.score\nmetadata: {version: 1}\n"
    )
    (tmp_path / "theirs.py").write_text("raise RuntimeError('imported')\n")
    manager = TaskManager(include_path=str(tmp_path), include_defaults=False)
    assert tasks_asked_for({"tasks": ["theirs"], "task_manager": manager}) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset_kwargs": {"data_files": {"test": "/no/such.parquet"}}},
         r"its data set parquet cannot be loaded: .*such\.parquet.* Check data_files"),
        ({"process_results": None}, "metadata.vrp names no base task"),
    ],
)  # fmt: skip
def test_what_the_configuration_lacks_is_found_before_the_model(manager, change, message):
    ours = tasks_asked_for({"tasks": ["vrp_by_file"], "task_manager": manager})
    changed = {name: config | change for name, config in ours.items()}
    with pytest.raises(SetupError, match=message):
        check_asked(changed, {})


def test_a_column_that_the_data_set_does_not_state_is_found_before_the_model(
    manager, folder, tmp_path
):
    from datasets import load_dataset

    rows = load_dataset("parquet", data_files=str(folder / "questions.parquet"), split="train")
    rows.to_parquet(tmp_path / "test.parquet")
    columns = "".join(f"  - {{name: {name}, dtype: string}}\n" for name in ("question", "kind"))
    (tmp_path / "README.md").write_text(f"---\ndataset_info:\n  features:\n{columns}---\n")
    ours = tasks_asked_for({"tasks": ["vrp_by_file"], "task_manager": manager})
    there = {"dataset_path": str(tmp_path), "dataset_kwargs": {}}
    stated = {name: config | there for name, config in ours.items()}
    with pytest.raises(SetupError, match="group names the column 'image_id'; the data set has"):
        check_asked(stated, {})
    later = {name: config | {"process_docs": lambda docs: docs} for name, config in stated.items()}
    check_asked(later, {})


def test_the_command_writes_a_yaml_that_works(folder, tmp_path, capsys):
    out = tmp_path / "own"
    chosen = ["--score", "my_accuracy", "--group", "image_id", "--name", "vrp_written"]
    code = main(["local_function", *chosen, "--include_path", str(folder), "-o", str(out)])
    assert code == 0
    assert f"--include_path {out}" in capsys.readouterr().out
    manager = TaskManager(include_path=[str(folder), str(out)], include_defaults=False)
    scorer = manager._get_config("vrp_written")["process_results"]
    assert (scorer.rule.keys, scorer.settings.group) == (("my_accuracy",), "image_id")
    assert main(["local_function", "--include_path", str(folder)]) == 1
    assert "scores answers in 3 ways" in capsys.readouterr().err


def test_relative_data_files_stay_beside_the_base(manager, folder):
    manager.match_tasks(["vrp_local_plain"])
    files = manager._get_config("vrp_local_plain")["dataset_kwargs"]["data_files"]
    assert Path(files["test"]) == folder / "questions.parquet"
