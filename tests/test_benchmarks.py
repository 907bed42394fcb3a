"""Benchmarks are run by hand, so nothing else would notice that one no longer imports."""

import importlib
import pkgutil

import pytest

import benchmarks

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_imports(name):
    importlib.import_module(name)
