"""What the lowest supported transformers lacks, stated where a test needs it."""

from __future__ import annotations

import pytest
import transformers
from packaging.version import Version

INSTALLED = Version(transformers.__version__)


def has(version: str) -> bool:
    """Whether the installed transformers is of this version or newer."""
    return Version(version) <= INSTALLED


def since(version: str, why: str) -> pytest.MarkDecorator:
    """Skip a test on older versions, with what they do differently."""
    reason = f"transformers {INSTALLED}: {why} before {version}"
    return pytest.mark.skipif(not has(version), reason=reason)
