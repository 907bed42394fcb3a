"""How lmms-eval's adapters hand on a request that failed: as a text, where an answer would be."""

from __future__ import annotations

import re

_FAILED = re.compile(r"\[LMMS_EVAL_REQUEST_FAILED after \d+ retries\]\s*")
_BUDGET = "[LMMS_EVAL_BUDGET_EXCEEDED]"
NOT_ASKED = "not asked: the token budget was spent (max_tokens)"


def failure_in(text: str) -> str | None:
    """Why there is no answer in what an adapter returned for a request; None if there is one."""
    if text == _BUDGET:
        return NOT_ASKED
    found = _FAILED.match(text)
    return None if found is None else f"the request failed: {' '.join(text[found.end() :].split())}"
