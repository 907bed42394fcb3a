"""Tables that a run folder may hold beside its records: file names, columns, and legal words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IMAGES_FILE = "images.parquet"
INTERVENTIONS_FILE = "interventions.parquet"
GROUNDING_FILE = "grounding.parquet"
REQUESTS_FILE = "requests.parquet"
SIMILARITIES_FILE = "similarities.parquet"

# `kind` in similarities.parquet -> what its value is
SIMILARITY_KINDS = {
    "entailment": "probability that `first` entails `second`",
    "contradiction": "probability that `first` contradicts `second`",
    "support": "mean over the sentences of `second` of entailment / (entailment + contradiction)",
    "similarity": "how alike they are, the same both ways",
    "claim_entailment": "probability that `first`, `second` with another last token, entails it",
    "claim_contradiction": "the same, that it contradicts it; `second`: an answer up to a token",
    "relevance": "how alike `second`, an answer without one of its tokens, is to `first`",
}

# `map` in grounding.parquet -> what it is
GROUNDING_MAPS = {
    "attention.answer": "attention of the answer-side positions (map_layers), mean over layers",
    "attention.answer.filtered": "the same without the share that the boundary markers explain",
    "attention.prompt": "attention of the question's content words, mean over layers",
    "attention.prompt.filtered": "the same without the share that the boundary markers explain",
    "activation.answer": "image tokens projected on the answer's first token, context taken out",
    "activation.answer.filtered": "the same without the share that the boundary markers explain",
    "activation.prompt": "image tokens projected on the question's content words, likewise",
    "activation.prompt.filtered": "the same without the share that the boundary markers explain",
    "uniform": "baseline: every cell alike, so its scores are the chance levels",
    "center": "baseline: a Gaussian around the middle",
}
OCCLUSION = "occlude_pixels"  # `intervention` of grounding tasks: pixels at the mean colour
REGION_MAP = "region"  # not a map: its `cells` are the annotated region


@dataclass(frozen=True)
class Column:
    """A column of one of the `TABLES`; ``bounds`` are the least and largest number it may hold."""

    kind: Literal["text", "integer", "number", "bytes"]
    meaning: str
    nullable: bool = False
    bounds: tuple[float, float] = (-1e38, 1e38)  # of float32, in which models compute


_SHARE = (-1e-6, 1 + 1e-6)  # rounding
_COUNT = (0, 1e9)
_IDENTITY = {
    "task": Column("text", "lmms-eval's task name"),
    "split": Column("text", "data set split"),
    "doc_id": Column("text", "row number as a string, as in the records"),
    "group": Column("text", "the image, as in the records"),
}

# optional file -> its columns
TABLES: dict[str, dict[str, Column]] = {
    IMAGES_FILE: {
        "sha256": Column("text", "of the bytes; what SampleRecord.image names"),
        "jpeg": Column("bytes", "the image in small, JPEG"),
        "width": Column("integer", "of the small copy, pixels", bounds=(1, 1e6)),
        "height": Column("integer", "of the small copy, pixels", bounds=(1, 1e6)),
    },
    REQUESTS_FILE: {
        **{name: column for name, column in _IDENTITY.items() if name != "group"},
        "image": Column("text", "hash of the pixels shown", True),
        "prompt": Column("text", "hash of the text or messages that lmms-eval built", True),
        "target": Column("text", "hash of the reference answers", True),
        "generation": Column("text", "hash of the generation settings", True),
        "states": Column("text", "whether hidden states are kept (hidden_max)", True),
        "response": Column("text", "the adapter's own answer; null where the record has it", True),
        "sent": Column("text", "which prompt the access sent, `of what:SHA-256`", True),
    },
    INTERVENTIONS_FILE: {
        **_IDENTITY,
        "intervention": Column("text", "what is done: mask_attention, mask_pixels, …"),
        "choice": Column("text", "what it is done to: ranked, random, least, region, all, …"),
        "fill": Column("text", "what stands there instead: block, zero, mean, blur"),
        "layer": Column(
            "integer", "decoder layer from 0; null = every layer, or the input", True, _COUNT
        ),
        "dose": Column("number", "how much of it, in `unit`", bounds=_COUNT),
        "unit": Column("text", "share (of 1) or count"),
        "seed": Column("integer", "of a random choice, else null", True),
        "answer": Column("text", "the greedy answer under the intervention"),
        "correct": Column("integer", "as in the records", True),
        "clean_correct": Column("integer", "of the same sample without intervention", True),
        "agrees": Column("integer", "1 if the normalised answer equals the clean one, else 0"),
        "logprob": Column("number", "mean log-probability of the clean answer's tokens", True),
        "clean_logprob": Column("number", "the same without intervention", True),
    },
    GROUNDING_FILE: {
        **_IDENTITY,
        "map": Column("text", "one of `GROUNDING_MAPS`, or `REGION_MAP`"),
        "correct": Column("integer", "as in the records", True),
        "region_share": Column(
            "number", "share of the grid inside the region = chance", True, _SHARE
        ),
        "pointing": Column(
            "number", "chance that a point of the peak is inside the region", True, _SHARE
        ),
        "mass": Column("number", "share of the map's mass inside the region", True, _SHARE),
        "peak_iou": Column("number", "peak-weighted IoU with the region", True, _SHARE),
        "top_iou": Column("number", "IoU of the top-10 % cells with the region", True, _SHARE),
        "spatial_entropy": Column("number", "−H_s of the map: needs no region", True),
        "reason": Column("text", "why a value is null", True),
        "cells": Column("bytes", "the map row by row, 255 = its peak; of a few samples", True),
    },
    SIMILARITIES_FILE: {
        "task": Column("text", "lmms-eval's task name"),
        "split": Column("text", "data set split"),
        "doc_id": Column("text", "row number as a string, as in the records"),
        "kind": Column("text", "one of `SIMILARITY_KINDS`"),
        "first": Column("text", "the scored answer or a sample, as in the records"),
        "second": Column("text", "another one, with another text"),
        "value": Column("number", "in [0, 1]"),
    },
}
