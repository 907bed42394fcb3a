"""Which files a task's functions are made of: theirs, and what these import beside them."""

import importlib.util
from functools import partial
from types import SimpleNamespace

import pytest

from vrp_tasks.run.task_code import code_of, with_imported

FILES = {
    "mine.py": "import helper\nfrom tools.words import strip\nimport json, torch\n"
    "class Called:\n    def __call__(self, doc):\n        return 1\n"
    "def ask(doc):\n    import late\n    return 'a'\n",
    "helper.py": "import deeper\n",
    "deeper.py": "import helper\n",  # in a circle
    "late.py": "LATE = 1\n",
    "tools/__init__.py": "from . import numbers\n",
    "tools/words.py": "from .texts import strip\nfrom ..outside import other\n",
    "tools/texts.py": "strip = str.strip\n",
    "tools/numbers.py": "ONE = 1\n",
    "tools/unused.py": "",
    "unused.py": "",
}
USED = set(FILES) - {"unused.py", "tools/unused.py"}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path.parent / "outside.py").write_text("other = 1\n")
    return tmp_path


def test_modules_of_the_same_folder_are_found_through_one_another(folder):
    found = with_imported(folder / "mine.py")
    assert {path.relative_to(folder).as_posix() for path in found} == USED


def test_a_file_among_everybodys_modules_stands_alone(folder, monkeypatch):
    monkeypatch.setattr("vrp_tasks.run.task_code._COMMON", {folder})
    assert with_imported(folder / "mine.py") == {folder / "mine.py"}


def test_a_file_that_is_no_python_is_itself(folder):
    (folder / "helper.py").write_text("def (:\n")
    assert folder / "helper.py" in with_imported(folder / "mine.py")
    assert folder / "deeper.py" not in with_imported(folder / "mine.py")


def task_of(folder, make):
    source = (folder / "mine.py").read_text().replace("import helper", "").replace("from", "#")
    (folder / "loaded.py").write_text(source.replace("import json, torch", ""))
    spec = importlib.util.spec_from_file_location("loaded", folder / "loaded.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (folder / "loaded.py").write_text((folder / "mine.py").read_text())
    config = SimpleNamespace(doc_to_text=make(module), metadata={"vrp": {}}, process_results=None)
    return SimpleNamespace(config=config)


@pytest.mark.parametrize("make", [lambda m: m.ask, lambda m: partial(m.ask), lambda m: m.Called()])
@pytest.mark.parametrize("changed", ["loaded.py", "deeper.py", "late.py", "tools/texts.py"])
def test_a_change_in_any_of_them_is_another_code(make, changed, folder):
    task = task_of(folder, make)
    before = code_of(task)
    assert [name for name, _ in before] == sorted(USED - {"mine.py"} | {"loaded.py"})
    (folder / changed).write_text((folder / changed).read_text() + "# more\n")
    after = code_of(task)
    assert [one[0] for one, other in zip(before, after, strict=True) if one != other] == [changed]
    (folder / "unused.py").write_text("more = 1\n")
    assert code_of(task) == after


def test_a_text_or_nothing_has_no_code():
    config = SimpleNamespace(doc_to_text="{{question}}", metadata={"vrp": {}}, process_results=None)
    assert code_of(SimpleNamespace(config=config)) == []
