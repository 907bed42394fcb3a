"""An attention function that computes the needed query rows beside SDPA, never a T × T map.

transformers calls it with queries and keys after RoPE and the cache update. A registered attention
name without a mask function silently gets no mask at all, so both are registered.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from transformers import AttentionInterface, PretrainedConfig, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, eager_mask, sdpa_mask

from vrp_tasks.capture.shared_prompt import Branches, attend_together
from vrp_tasks.errors import CaptureError
from vrp_tasks.families.anatomy import find_body, is_cross_attention
from vrp_tasks.seam.attention_implementation import attending_with, attention_configs

NAME = "vrp_sdpa"
EAGER_NAME = "vrp_eager"  # for decoders that transformers runs eagerly only: softcaps, sinks
_LEAST_EPS = torch.finfo(torch.float16).eps
_TF32_EPS = 2.0**-10


@dataclass(frozen=True)
class Attended:
    """What one decoder layer attended with in one forward pass, and what came of it.

    Attributes
    ----------
    layer : int
        From 0.
    query : float tensor, shape (B, n_heads, n_queries, head_dim)
        After RoPE.
    key, value : float tensor, shape (B, n_kv_heads, n_keys, head_dim)
        What the cache holds: all positions so far, or the last ones of a sliding window. With
        ``branches`` those of all rows of a prompt, (prompts, n_kv_heads, T + R × n, head_dim).
    mask : bool or float tensor, shape (B or 1, 1 or n_heads, n_queries, >= n_keys), or None
        None means plain causal attention.
    scaling : float
        Factor of the dot products.
    output : float tensor, shape (B, n_queries, n_heads, head_dim)
        Of the model's own attention, before the output projection.
    module : nn.Module or None
        Whose attention it is.
    options : mapping
        What else the module gave its attention function: softcaps, sinks.
    is_eager : bool
        Whether transformers has no SDPA for the decoder, so that its own function ran.
    branches : Branches or None
        How rows share the keys and values of their prompt, if they do.
    """

    layer: int
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    scaling: float
    output: torch.Tensor
    module: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    is_eager: bool = False
    branches: Branches | None = None

    def of(self, index: int) -> Attended:
        """That of one row of the batch, the batch axis kept."""
        return self._rows(slice(index, index + 1))

    def last(self, stride: int) -> Attended:
        """That of the last query of every ``stride``-th row of the batch, the query axis kept."""
        rows = self._rows(slice(None, None, stride))
        mask = rows.mask
        if mask is not None:
            mask = mask[:, :, -1:, : rows.key.shape[2]]
        return replace(rows, query=rows.query[:, :, -1:], output=rows.output[:, -1:], mask=mask)

    def _rows(self, own: slice) -> Attended:
        mask = self.mask if self.mask is None or len(self.mask) == 1 else self.mask[own]
        key, value = (
            states[own] if self.branches is None else self.branches.of_rows(states, own)
            for states in (self.key, self.value)
        )
        return replace(
            self, query=self.query[own], key=key, value=value, mask=mask, output=self.output[own],
            branches=None,
        )  # fmt: skip


class AttentionListener(Protocol):
    """Receives what each decoder layer has attended with."""

    def on_attention(self, attended: Attended) -> None:
        """Called once per layer and forward pass."""


class AttentionEdit(Protocol):
    """Changes what each decoder layer may attend to."""

    def edited_mask(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        """The mask to attend with instead of ``mask``; called once per layer and forward pass."""


_listeners: list[AttentionListener] = []
_edits: list[AttentionEdit] = []
_branches: list[Branches] = []  # the last one counts
_layer_of: dict[int, int] = {}  # id of a module -> decoder layer that it is part of


def own_eager(module: Any) -> Callable[..., tuple[torch.Tensor, torch.Tensor]] | None:
    """The eager function of the file that a module's class stands in; it knows its softcap."""
    for base in type(module).__mro__:
        module_of = sys.modules[base.__module__]
        found: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None = getattr(
            module_of, "eager_attention_forward", None
        )
        if found is not None:
            return found
    return None


def _forward(module: Any, *args: Any, **options: Any) -> tuple[torch.Tensor, None]:
    return _attend(sdpa_attention_forward, module, *args, **options)


def _forward_eagerly(module: Any, *args: Any, **options: Any) -> tuple[torch.Tensor, None]:
    base = own_eager(module)
    if base is None:
        raise CaptureError(f"{type(module).__name__} has no attention function of its own.")
    return _attend(base, module, *args, **options)


def _attend(
    base: Callable[..., Any],
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    layer = _layer_of.get(id(module))
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if layer is not None and not is_cross_attention(module):
        for edit in _edits:
            attention_mask = edit.edited_mask(layer, query, key, attention_mask)
    branches = _branches[-1] if _branches and _branches[-1].has(query, key) else None
    if branches is None:
        output, _ = base(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
    else:

        def eager(queries: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = base(
                module, queries, key, value, mask, dropout=dropout, scaling=scaling, **options
            )[0]
            return found

        output = attend_together(
            branches, query, key, value, attention_mask, scale,
            eager=None if base is sdpa_attention_forward else eager,
        )  # fmt: skip
    if layer is not None and not is_cross_attention(module) and _listeners:
        attended = Attended(
            layer, query, key, value, attention_mask, scale, output, module, options,
            is_eager=base is not sdpa_attention_forward, branches=branches,
        )  # fmt: skip
        for listener in _listeners:
            listener.on_attention(attended)
    return output, None


AttentionInterface.register(NAME, _forward)
AttentionMaskInterface.register(NAME, sdpa_mask)
AttentionInterface.register(EAGER_NAME, _forward_eagerly)
AttentionMaskInterface.register(EAGER_NAME, eager_mask)


@contextmanager
def listening(listener: AttentionListener) -> Iterator[None]:
    """Send attention inputs to ``listener`` inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def editing(edit: AttentionEdit) -> Iterator[None]:
    """Let ``edit`` change attention masks inside the block, before listeners see them."""
    _edits.append(edit)
    try:
        yield
    finally:
        _edits.remove(edit)


@contextmanager
def branching(branches: Branches) -> Iterator[None]:
    """Inside the block, rows may share the keys and values of their prompt."""
    _branches.append(branches)
    try:
        yield
    finally:
        _branches.remove(branches)


def is_edited() -> bool:
    """Whether something changes attention masks now; an edit knows rows of their own keys only."""
    return bool(_edits)


def attention_of(model: PreTrainedModel) -> str:
    """``sdpa``, or ``eager`` for a decoder that transformers runs no other way.

    One that caps its scores runs as it was loaded: transformers before 5.21 has SDPA for it too,
    without the cap.
    """
    body = find_body(model)
    if not getattr(body.module, "_supports_sdpa", True):
        return "eager"
    is_eager = body.config._attn_implementation in ("eager", EAGER_NAME)
    return "eager" if caps_scores(body.config) and is_eager else "sdpa"


def caps_scores(config: PretrainedConfig) -> bool:
    """Whether a decoder's attention scores are capped."""
    return getattr(config, "attn_logit_softcapping", None) is not None


@contextmanager
def capturing_attention(model: PreTrainedModel) -> Iterator[None]:
    """Use a registered function in the decoder, nothing else is touched; restored on leaving.

    Decoders run SDPA, whatever they were loaded with, but those that transformers has no SDPA for.
    """
    body = find_body(model)
    name = NAME if attention_of(model) == "sdpa" else EAGER_NAME
    configs = attention_configs(body.module.modules())
    text = model.config.get_text_config()
    if all(config is not text for config in configs):
        configs.append(text)  # masks are made by it
    layers = dict(_layer_of)
    _layer_of.update({id(m): i for i, layer in enumerate(body.layers) for m in layer.modules()})
    try:
        with attending_with(name, configs):
            yield
    finally:
        _layer_of.clear()
        _layer_of.update(layers)


def attention_row(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """Attention of one query position to all keys, its product in float32.

    SDPA's kernels keep the product of half-precision states in float32 too. Rounded to the model's
    dtype it would make another row: a score of a few hundred loses its decimals.

    Parameters
    ----------
    query : float tensor, shape (B, n_heads, head_dim)
        Query of the wanted position, after RoPE.
    key : float tensor, shape (B, n_kv_heads, T, head_dim)
        Keys; each serves ``n_heads // n_kv_heads`` query heads.
    mask : bool or float tensor, shape (B, 1 or n_heads, T), or None
        True or 0 where attention is allowed; None allows every key.
    scaling : float
        Factor of the dot products.

    Returns
    -------
    float32 tensor, shape (B, n_heads, T)
        Rows that sum to 1.
    """
    batch, n_heads, head_dim = query.shape
    n_kv = key.shape[1]
    grouped = query.reshape(batch, n_kv, n_heads // n_kv, head_dim)
    scores = torch.matmul(grouped.float(), key.float().transpose(-1, -2)) * scaling
    scores = scores.reshape(batch, n_heads, -1)
    if mask is not None:
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, float("-inf"))
        else:
            scores = scores + mask.float()
    return scores.softmax(dim=-1)


def misfit(
    row: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    output: torch.Tensor,
    scaling: float,
) -> torch.Tensor:
    r"""How far ``row · V`` is from what the layer used, in units of what rounding explains.

    .. math:: \max_h \frac{\lVert \sum_t a_{ht} v_t - o_h \rVert}
        {(2 \epsilon + 8 \epsilon_{32} s \lVert q_h \rVert \max_t \lVert k_t \rVert)
        \sum_t a_{ht} \lVert v_t \rVert}

    The kernels round the weights and the output to the model's dtype (:math:`\epsilon` is its, that
    of float16 at least, since kernels for float32 differ in how they sum), and make the scores in
    float32 (:math:`\epsilon_{32}`, scaled by *s*).

    Parameters
    ----------
    row : float32 tensor, shape (B, n_heads, n_keys)
        From `attention_row`.
    query : float tensor, shape (B, n_heads, head_dim)
        As given to it.
    key, value : float tensor, shape (B, n_kv_heads, n_keys, head_dim)
    output : float tensor, shape (B, n_heads, head_dim)
        What the layer made of that position.
    scaling : float
        Factor of the dot products.

    Returns
    -------
    float32 tensor, shape (B,)
        At most 1 where the row is the one that the layer used; NaN where something is not finite.
    """
    batch, n_heads, n_keys = row.shape
    n_kv = key.shape[1]
    grouped = row.reshape(batch, n_kv, n_heads // n_kv, n_keys)
    values = value.float()
    apart = torch.matmul(grouped, values).reshape(output.shape) - output.float()
    lengths = values.norm(dim=-1)[..., None]
    scale = torch.matmul(grouped, lengths).reshape(batch, n_heads)
    longest = key.float().norm(dim=-1).amax(dim=-1).repeat_interleave(n_heads // n_kv, dim=1)
    scores = scaling * query.float().norm(dim=-1) * longest
    kind = torch.finfo(output.dtype)
    allowed = 2 * max(kind.eps, _LEAST_EPS) + 8 * _eps_of_scores(output.dtype) * scores
    smallest = max(kind.smallest_normal * kind.eps * output.shape[-1] ** 0.5, 1e-30)
    found: torch.Tensor = (apart.norm(dim=-1) / (allowed * scale + smallest)).amax(dim=1)
    return found


def _eps_of_scores(dtype: torch.dtype) -> float:
    """Relative rounding of a score; TensorFloat-32 holds half-precision states exactly."""
    if dtype == torch.float32 and torch.get_float32_matmul_precision() != "highest":
        return _TF32_EPS
    return torch.finfo(torch.float32).eps
