"""From one captured generation to the channels of an observation."""

from __future__ import annotations

import numpy as np

from metrics.record.channels import (
    DETECTOR_CHANNELS,
    BlankScores,
    BlankState,
    BoundaryMaps,
    Channel,
    FirstTwo,
    ImageMaps,
    ImageMass,
    ImageTokens,
    LastAnswerState,
    LensReading,
    LensShares,
    ListedTokens,
    MeanAnswerState,
    PromptState,
    QuestionMaps,
    SampleScores,
    SampleSpread,
    TokenEntropies,
    TokenScores,
    TopHeadsMap,
    TruthLens,
    VisionState,
)
from metrics.record.observation import Absent
from vrp_tasks.capture.result import Captured

_FLOAT16_MAX = float(np.finfo(np.float16).max)
_NO_STATES = "hidden states were not asked for (hidden_dtype=none)"
_TOO_LARGE = "the hidden state exceeds float16: use hidden_dtype=float32"
_NO_BLANK = "no second pass on a blank image was asked for (blank_image=false)"
EXACT = Absent("the whole vocabulary is seen, so that entropies are exact", "not offered")
_STATES = {
    "last_prompt": PromptState,
    "last_answer": LastAnswerState,
    "mean_answer": MeanAnswerState,
    "blank": BlankState,
}
Channels = dict[str, Channel]
Reasons = dict[str, Absent]


def channels_of(captured: Captured) -> tuple[Channels, Reasons]:
    """Everything but hidden states and sampled texts: channels by name, and why others lack."""
    channels: Channels = {}
    absent: Reasons = {}

    def add(channel: Channel) -> None:
        channels[channel.name] = channel

    add(TokenScores(captured.logprobs))
    add(TokenEntropies(captured.entropies))
    add(FirstTwo(captured.first_probabilities))
    _add_attention(captured, channels, absent)
    _add_lens(captured, channels, absent)
    for kind in DETECTOR_CHANNELS:
        if kind is VisionState:
            continue  # a state
        if kind.name in captured.further:
            add(captured.further[kind.name])
        else:
            absent[kind.name] = _why_not_kept(captured, kind)
    return channels, absent


def _why_not_kept(captured: Captured, kind: type[Channel]) -> Absent:
    if kind.name in captured.never:
        return Absent(captured.never[kind.name], "not offered")
    if kind.name in captured.missing:
        return Absent(captured.missing[kind.name])
    if kind is ListedTokens:
        return EXACT
    if kind is BlankScores:
        return Absent(_NO_BLANK, "not offered")
    if kind in (SampleScores, SampleSpread) and not captured.sampled_tokens:
        return Absent("no answers were asked for (k=0)", "not offered")
    return Absent(captured.missing.get("attention", "it was not captured"))


def _add_attention(captured: Captured, channels: Channels, absent: Reasons) -> None:
    no_map = Absent(captured.missing.get("attention", "no attention map"))
    extra, grid = captured.extra, captured.grid
    if captured.image_mass is not None:
        channels[ImageMass.name] = ImageMass(captured.image_mass)
    else:
        absent[ImageMass.name] = no_map
    if captured.maps is not None and grid is not None:
        maps = captured.on_grid(captured.maps.astype(np.float32))
        channels[ImageMaps.name] = ImageMaps(maps)
    else:
        absent[ImageMaps.name] = no_map
    sinks = _sinks(captured)
    if isinstance(sinks, str):
        absent[ImageTokens.name] = Absent(sinks)
    else:
        channels[ImageTokens.name] = ImageTokens(extra["update_norm"], sinks)
    for channel in (QuestionMaps, BoundaryMaps):
        stored = extra.get("arrays", {}).get(channel.name)
        if stored is not None and grid is not None:
            channels[channel.name] = channel(stored.reshape(len(stored), *grid))


def _sinks(captured: Captured) -> np.ndarray | str:
    """Which image tokens are sinks, bool (n_layers, S), or why that is not known.

    In the order of the grid's cells where there is a token for each; no signal may take others
    for them, so as many in another order are none.
    """
    if "sinks" not in captured.extra:
        return captured.missing.get("tokens", "the image tokens' states were not seen")
    sinks: np.ndarray = captured.extra["sinks"]
    canvas = captured.canvas
    if canvas is None or canvas.overlap.shape[0] != canvas.overlap.shape[1]:
        return sinks
    own = canvas.one_by_one()
    if own is None:
        return "image tokens are as many as cells, but not one for each"
    return sinks[:, own]


def _add_lens(captured: Captured, channels: Channels, absent: Reasons) -> None:
    extra, missing, grid = captured.extra, captured.missing, captured.grid
    why = missing.get("lens")
    if why is None and "answer_margin" not in extra:
        why = "the logit lens was not captured"
    if why is None:
        channels[LensReading.name] = LensReading(extra["answer_margin"])
    else:
        absent[LensReading.name] = Absent(why)
    if "margin_from_mlp" in extra:
        channels[LensShares.name] = LensShares(
            extra["margin_from_attention"], extra["margin_from_mlp"]
        )
    else:
        unread = why or missing.get("attribution", "the logit lens was not captured")
        absent[LensShares.name] = Absent(unread)
    if why is None and "truth_margin" in extra:
        channels[TruthLens.name] = TruthLens(extra["truth_margin"])
    else:
        absent[TruthLens.name] = Absent(why or missing.get("truth", "no reference answer"))
    top = extra.get("top_heads_map")
    why = missing.get("lens") or missing.get("top_heads") or missing.get("attention")
    if top is not None and grid is not None and why is None:
        channels[TopHeadsMap.name] = TopHeadsMap(captured.on_grid(top[None])[0])
    else:
        absent[TopHeadsMap.name] = Absent(why or "no head attends to the image")


def states_not_offered(*, dtype: str, blank: bool) -> Reasons:
    """Hidden states that the settings of a run leave out: how they are stored, a blank image."""
    states: tuple[type[Channel], ...] = (*_STATES.values(), VisionState)
    states = states if dtype == "none" else ()
    found = {channel.name: Absent(_NO_STATES, "not offered") for channel in states}
    if not blank:
        no_blank = Absent(_NO_BLANK, "not offered")
        found = {BlankState.name: no_blank, BlankScores.name: no_blank} | found
    return found


def states_of(captured: Captured, *, dtype: str) -> tuple[Channels, Reasons]:
    """Hidden states as they are stored.

    Parameters
    ----------
    captured : Captured
        One sample.
    dtype : {"float16", "float32", "none"}
        A state beyond float16's range is left out with a reason rather than stored as infinity.
    """
    channels: Channels = {}
    absent: Reasons = {}
    blank = "blank" in captured.hidden or "hidden_blank" in captured.missing
    unasked = states_not_offered(dtype=dtype, blank=blank)
    for position, channel in _STATES.items():
        state = captured.hidden.get(position)
        if channel.name in unasked:
            absent[channel.name] = unasked[channel.name]
        elif state is None:
            why = "hidden_blank" if position == "blank" else "hidden_answer"
            reason = captured.missing.get(why, "the state was not captured")
            absent[channel.name] = Absent(reason)
        elif not np.isfinite(state).all():
            absent[channel.name] = Absent("the hidden state is not finite")
        elif dtype == "float16" and np.abs(state).max() > _FLOAT16_MAX:
            absent[channel.name] = Absent(_TOO_LARGE)
        else:
            channels[channel.name] = channel(state.astype(dtype))
    _add_vision(captured, dtype, channels, absent)
    return channels, absent


def _add_vision(captured: Captured, dtype: str, channels: Channels, absent: Reasons) -> None:
    name, found = VisionState.name, captured.further.get(VisionState.name)
    if dtype == "none":
        absent[name] = Absent(_NO_STATES, "not offered")
    elif found is None:
        why = captured.missing.get("tokens", "the image tokens' states were not seen")
        absent[name] = Absent(why)
    elif not all(np.isfinite(own).all() for own in found.arrays().values()):
        absent[name] = Absent("the hidden state is not finite")
    elif dtype == "float16" and any(
        np.abs(o).max() > _FLOAT16_MAX for o in found.arrays().values()
    ):
        absent[name] = Absent(_TOO_LARGE)
    else:
        channels[name] = VisionState(**{n: o.astype(dtype) for n, o in found.arrays().items()})
