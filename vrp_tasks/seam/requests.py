"""lmms-eval's requests, changed in a copy."""

from __future__ import annotations

import copy
from typing import Any


def clone_request(request: Any, **generation: Any) -> Any:
    """A copy whose generation settings the stock adapter may pop from as it likes.

    ``generation`` replaces settings in the copy.
    """
    clone = copy.copy(request)
    clone.arguments = tuple(
        {**copy.deepcopy(part), **generation} if isinstance(part, dict) else part
        for part in request.args
    )
    return clone
