"""docs/metrics.md is what the docstrings say."""

import importlib.util
from pathlib import Path

import metrics

SCRIPT = Path(__file__).parents[1] / "docs" / "build_reference.py"


def builder():
    spec = importlib.util.spec_from_file_location("build_reference", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_docstrings_say():
    module = builder()
    assert module.PAGE.read_text("utf-8") == module.page(), "run `make docs`"


def test_the_page_defines_every_function_with_its_range():
    text = builder().page()
    functions = [n for n in metrics.__all__ if callable(getattr(metrics, n)) and n.islower()]
    assert len(functions) > 80
    for name in functions:
        assert f"### `{name}`" in text
    assert text.count("Range:") > 70
    assert ":math:" not in text
    assert ".. math::" not in text
