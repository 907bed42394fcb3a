"""What the papers printed: anchors beside our own figures, never an expected value of a test."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = (
    "As printed in “Visuals Lie, Consistency Speaks” (arXiv 2606.17389) and “Where Reliability "
    "Lives in Vision-Language Models” (arXiv 2605.08200): POPE adversarial, LLaVA-Bench, custom "
    "counting and spatial questions on COCO, VQAv2, TextVQA; pooled structural set n = 3,090. "
    "Their protocol differs from ours (probe layer chosen on the reported data, images shared by "
    "train and test)."
)
MODELS = ("LLaVA-1.5-7B", "PaliGemma-3B", "Qwen2-VL-7B")


@dataclass(frozen=True)
class Published:
    """One quantity as the papers print it, per model of `MODELS`; "–" where they do not."""

    quantity: str
    values: tuple[str, str, str]


FIGURES = (
    Published("accuracy", ("67.6 %", "78.6 %", "28.8 %")),
    Published("top-k attention R² (max)", ("0.008", "0.080", "0.007")),
    Published("attention-feature classifier accuracy", ("53 %", "55 %", "52 %")),
    Published("AUROC spatial attention (H_s, C_k)", ("0.50", "0.50", "0.50")),
    Published("AUROC logit entropy", ("0.50", "0.52", "0.51")),
    Published("AUROC output confidence", ("0.54", "0.55", "0.53")),
    Published("AUROC margin only (oracle)", ("0.72", "0.70", "0.63")),
    Published("AUROC hidden-state probe, best layer", ("0.956", "0.738", "0.971")),
    Published("AUROC self-consistency, K = 10", ("0.78", "0.81", "0.79")),
    Published("AUROC VQAv2 output / probe", ("0.559 / 0.745", "0.892 / 0.795", "0.892 / 0.778")),
    Published("AUROC TextVQA output / probe", ("0.563 / 0.721", "0.859 / 0.806", "0.774 / 0.852")),
    Published("best probe layer", ("21", "10", "18")),
    Published("peak margin (layer)", ("+9.20 (31)", "+10.85 (14)", "+8.40 (27)")),
    Published("MLP share of margin growth", ("82.1 %", "47.6 %", "68.2 %")),
    Published("top-30 % patch masking", ("−8.2 points", "−11.3 points", "–")),
    Published(
        "attention evolution",
        (
            "early lock at layer 2 (ΔH_s ≈ −2.5), diffuses at the last (≈ +1.0)",
            "steady decay",
            "re-sharpens at 17 and 25",
        ),
    ),
    Published(
        "ablation, points of accuracy",
        (
            "layer 31: top 5 probe neurons −2.0 overall, −8.3 object identification; "
            "random 5: 0.0; any single one: 0.0",
            "layer 15: top 10 −0.7; 500 random 0.0; 1,000 random (49 %) −1.0",
            "layer 25: 500 +3.0, 1,000 +1.0, 2,000 random (56 %) +2.0; MLP bypass +5.0 (noise)",
        ),
    ),
)
POOLED = (
    "Pooled over the three models: R(C_k) = 0.001 [−0.034, 0.036]; R(H_s) = −0.012 "
    "[−0.047, 0.024]; R(S_SC) = 0.429; precision at S_SC = 1: 90.8 % [88.4, 92.8]; AUROC of the "
    "supervised attention probe 0.725, of a linear probe on the last hidden state 0.620, of "
    "self-consistency 0.784."
)
# AUROC of detectors as VLCB prints them, pooled over five models; by our name of the nearest
DETECTORS = {
    "bicr": "0.787 (BICR)",
    "probe": "0.767 (P(IK))",
    "internal_inspector": "0.749 (InternalInspector)",
    "saplma": "0.731 (SAPLMA)",
    "self_probing": "0.654 (self-probing)",
    "p_true": "0.555 (P(True))",
}
