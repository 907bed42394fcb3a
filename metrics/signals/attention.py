"""Where the model looks: structure of the attention to the image."""

from __future__ import annotations

import numpy as np

from metrics.errors import UndefinedMetricError
from metrics.maps.attention import (
    cluster_count,
    connected_component_count,
    entropy_by_layer,
    entropy_evolution,
    spatial_entropy,
)
from metrics.maps.image_mass import svar
from metrics.record.channels import Array, ImageMaps, ImageMass, ImageTokens, TopHeadsMap, there
from metrics.signals.declaration import NEGATED, SHARE, LayerVector, Signal

FAMILY = "attention"


def _mean_map(maps: ImageMaps) -> Array:
    mean: np.ndarray = there(maps.by_layer).astype(np.float64).mean(axis=0)
    return mean


def _entropies(maps: ImageMaps) -> Array:
    layers = there(maps.by_layer).astype(np.float64)
    return entropy_by_layer(layers.reshape(len(layers), -1))


def _without_sinks(maps: ImageMaps, tokens: ImageTokens) -> Array:
    """Mean map of layers renormalised over the tokens that are no sinks there."""
    layers = maps.by_layer.astype(np.float64)  # a layer without a map has no mass below
    if layers[0].size != tokens.is_sink.shape[1]:
        raise UndefinedMetricError("image tokens are no cells of the map: some show others' places")
    kept = np.where(tokens.is_sink, 0.0, layers.reshape(len(layers), -1))
    mass = kept.sum(axis=1, keepdims=True)
    if not (mass > 0).any():
        raise UndefinedMetricError("every image token is an attention sink")
    seen = mass[:, 0] > 0
    mean_map: Array = (kept[seen] / mass[seen]).mean(axis=0)
    return mean_map


SIGNALS = (
    Signal(
        "spatial_entropy",
        "attention sharpness (−H_s)",
        FAMILY,
        "method §2, paper eq. 3",
        (ImageMaps,),
        lambda maps: -spatial_entropy(_mean_map(maps)),
        bounds=NEGATED,
        headline=True,
        reported=True,
        on_grid=True,
        about="−entropy (nats) of the answer's attention over the image: high on few spots",
    ),
    Signal(
        "spatial_entropy_normalized",
        "attention sharpness, scaled (−H_s / ln S)",
        FAMILY,
        "method §2 (ours)",
        (ImageMaps,),
        lambda maps: -spatial_entropy(_mean_map(maps), normalize=True),
        bounds=(-1.0, 0.0),
        on_grid=True,
        about="`spatial_entropy` over the largest that the image's grid allows",
    ),
    Signal(
        "cluster_count",
        "few attention clusters (−C_k)",
        FAMILY,
        "method §2, paper eq. 2",
        (ImageMaps,),
        lambda maps: -cluster_count(_mean_map(maps)),
        bounds=NEGATED,
        reported=True,
        on_grid=True,
        about="−number of clusters that the 10 % most attended spots of the image form",
    ),
    Signal(
        "component_count",
        "few attention patches (8-connected)",
        FAMILY,
        "method §2, arXiv v1 figure 5",
        (ImageMaps,),
        lambda maps: -connected_component_count(_mean_map(maps)),
        bounds=NEGATED,
        on_grid=True,
        about="−number of connected patches that the 10 % most attended spots form",
    ),
    Signal(
        "entropy_evolution",
        "attention sharpening (−ΔH_s)",
        FAMILY,
        "method §2",
        (ImageMaps,),
        lambda maps: -entropy_evolution(_entropies(maps)).total,
        on_grid=True,
        about="how much attention sharpened from the first layer to the last, in nats",
    ),
    Signal(
        "final_diffusion",
        "attention sharpening, last layer (−ΔH_s)",
        FAMILY,
        "method §2",
        (ImageMaps,),
        lambda maps: -entropy_evolution(_entropies(maps)).final_diffusion,
        on_grid=True,
        about="how much attention sharpened in the last layer, in nats",
    ),
    Signal(
        "spatial_entropy_without_sinks",
        "attention sharpness without sinks (−H_s)",
        FAMILY,
        "method §2; sinks after arXiv 2503.03321",
        (ImageMaps, ImageTokens),
        lambda maps, tokens: -spatial_entropy(_without_sinks(maps, tokens)),
        bounds=NEGATED,
        on_grid=True,
        about="`spatial_entropy` with image tokens left out that draw attention whatever is asked",
    ),
    Signal(
        "spatial_entropy_top_heads",
        "attention sharpness, top-k heads (−H_s)",
        FAMILY,
        "method §2 (top-k-heads variant)",
        (TopHeadsMap,),
        lambda top: -spatial_entropy(top.share),
        bounds=NEGATED,
        on_grid=True,
        about="`spatial_entropy` of the ten heads that speak most for the answer's first token",
    ),
    Signal(
        "cluster_count_top_heads",
        "few attention clusters, top-k heads (−C_k)",
        FAMILY,
        "method §2 (top-k-heads variant)",
        (TopHeadsMap,),
        lambda top: -cluster_count(top.share),
        bounds=NEGATED,
        on_grid=True,
        about="`cluster_count` of the ten heads that speak most for the answer's first token",
    ),
    Signal(
        "image_attention_mass",
        "image attention mass",
        FAMILY,
        "method §2 (ours)",
        (ImageMass,),
        lambda mass: there(mass.by_layer).mean(),
        bounds=SHARE,
        about="share of the answer's attention that is on the image, mean over layers",
    ),
    Signal(
        "svar",
        "image attention mass, middle layers (SVAR)",
        FAMILY,
        "arXiv 2411.16724",
        (ImageMass,),
        lambda mass: svar(mass.by_layer),
        bounds=SHARE,
        about="SVAR: `image_attention_mass` of the middle layers only (5 to 18 of 32, and as deep "
        "in other models)",
    ),
)

LAYERS = (
    LayerVector("image_attention_mass", ImageMass, lambda mass: there(mass.by_layer)),
    LayerVector("update_norm", ImageTokens, lambda tokens: tokens.update_norm),
    LayerVector("sink_count", ImageTokens, lambda tokens: tokens.is_sink.sum(axis=1)),
    LayerVector("spatial_entropy", ImageMaps, _entropies),
)
