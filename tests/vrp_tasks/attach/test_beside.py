"""A task of one's own: on a curated one with its data elsewhere, with functions beside its YAML."""

import shutil
import sys

import pytest
from lmms_eval.tasks import TaskManager
from loguru import logger

from tests.vrp_tasks.helpers.local_task import write_local_tasks
from vrp_tasks import registration
from vrp_tasks.attach.names import _say_what_is_assumed
from vrp_tasks.attach.preflight import check_asked, tasks_asked_for
from vrp_tasks.attach.settings import function_at
from vrp_tasks.errors import SetupError

COPY = """
task: my_copy
dataset_kwargs: {data_files: {test: copy.parquet}}
dataset_path: parquet
metadata:
  vrp: {base: vrp_by_file, group: question_id, kind: "mine:kind"}
doc_to_text: !function mine.ask
"""
VQAV2 = """
task: my_vqav2
dataset_path: parquet
dataset_kwargs: {data_files: {validation: copy.parquet}}
metadata: {vrp: {base: vrp_vqav2}}
"""
MINE = """
def ask(doc):
    return "Well? " + doc["question"]


def kind(doc):
    return "long" if len(doc["question"]) > 30 else "short"
"""


@pytest.fixture
def folder(tmp_path):
    write_local_tasks(tmp_path, n_scenes=2)
    shutil.copy(tmp_path / "questions.parquet", tmp_path / "copy.parquet")
    (tmp_path / "copy.yaml").write_text(COPY)
    (tmp_path / "vqav2.yaml").write_text(VQAV2)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def manager_of(folder):
    registration.install_hooks()
    return TaskManager(include_path=[str(folder), str(registration.TASKS_FOLDER)],
                       include_defaults=False)  # fmt: skip


def test_an_attached_task_is_taken_over_but_for_what_is_said(folder):
    config = manager_of(folder)._get_config("my_copy")
    assert config["task"] == "my_copy"
    assert config["dataset_kwargs"]["data_files"]["test"] == str(folder / "copy.parquet")
    vrp = config["metadata"]["vrp"]
    taken = {key: vrp[key] for key in ("base", "score", "field", "parser", "group")}
    assert taken == {
        "base": "local_function", "score": "my_accuracy", "field": "score", "parser": "yes_no",
        "group": "question_id",
    }  # fmt: skip
    assert config["doc_to_text"]({"question": "Why?"}) == "Well? Why?"


def test_a_curated_task_takes_a_local_copy_of_its_data(folder):
    manager = manager_of(folder)
    asked = {"tasks": ["my_vqav2"], "task_manager": manager}
    config = tasks_asked_for(asked)["my_vqav2"]
    assert config["dataset_path"] == "parquet"
    assert config["test_split"] == "validation"
    scorer = config["process_results"]
    assert scorer.settings.base == "vqav2_val"
    assert (scorer.settings.group, scorer.settings.kind) == ("image_id", "answer_type")
    assert manager._get_config("vrp_vqav2")["dataset_path"] != "parquet"
    check_asked({"my_vqav2": config}, asked)
    (folder / "copy.parquet").unlink()
    with pytest.raises(SetupError, match=r"my_vqav2: its data set parquet .*Check data_files"):
        check_asked({"my_vqav2": config}, asked)


def test_functions_beside_the_yaml_are_found_and_told_apart(folder, tmp_path_factory):
    config = manager_of(folder)._get_config("my_copy")
    path = config["metadata"]["vrp"]["kind"]
    assert function_at(path)({"question": "Is it?"}) == "short"
    assert "mine" not in sys.modules
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(folder, elsewhere, dirs_exist_ok=True)
    (elsewhere / "mine.py").write_text(MINE.replace("short", "brief"))
    other = manager_of(elsewhere)._get_config("my_copy")["metadata"]["vrp"]["kind"]
    assert function_at(other)({"question": "Is it?"}) == "brief"
    assert function_at(path)({"question": "Is it?"}) == "short"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_the_kind", "mine.py cannot be imported .ModuleNotFoundError"),
        ("def other(doc): ...\ndef ask(doc): ...", "no function mine:kind"),
    ],
)
def test_a_file_without_the_function_is_one_line(folder, text, message):
    yaml = COPY.replace("doc_to_text: !function mine.ask\n", "")
    (folder / "copy.yaml").write_text(yaml)
    (folder / "mine.py").write_text(text)
    with pytest.raises(SetupError, match=message) as refused:
        manager_of(folder)._get_config("my_copy")
    assert str(refused.value).startswith("task my_copy: ")


def test_an_attached_name_says_once_what_it_assumes(folder):
    _say_what_is_assumed.cache_clear()
    said = []
    handler = logger.add(said.append, format="{message}", level="INFO")
    asked = {"tasks": ["vrp_local_function", "my_copy"], "task_manager": manager_of(folder)}
    for _ in range(2):
        with pytest.raises(SetupError, match="Choose one"):  # several scores
            tasks_asked_for(asked)
    asked["tasks"] = ["vrp_local_plain", "my_copy"]
    for _ in range(2):
        tasks_asked_for(asked)
    logger.remove(handler)
    (line,) = [line for line in said if "attached by its name" in line]
    assert line.startswith("vrp_local_plain is attached by its name: all questions are of one kind")
    assert "{vrp: {base: local_plain, kind: COLUMN, group: COLUMN}}" in line
