"""A byte-level BPE tokenizer that knows the words of the shapes world."""

from __future__ import annotations

import json

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from vrp_tasks.tiny.world import KINDS, ask, draw_scene
from vrp_tasks.tiny.world.questions import ask_auxiliary

VOCAB_SIZE = 448
_NEWLINE = "Ċ"  # as the byte-level alphabet spells it
_CORPUS_SCENES = range(400)


def build_tokenizer(
    *,
    special: dict[str, str],
    extra: list[str],
    prompt_words: list[str],
    prepend_bos: bool,
    newline: bool = False,
) -> PreTrainedTokenizerFast:
    """Train the tokenizer on questions, answers and the words of the family's prompt.

    Parameters
    ----------
    special : dict of str
        Token roles of `PreTrainedTokenizerFast` (``bos_token``, ``eos_token``, ``pad_token``,
        ``image_token`` …) and their text.
    extra : list of str
        Further special tokens without a role.
    prompt_words : list of str
        Texts of the family's chat template, so that its words are single tokens too.
    prepend_bos : bool
        Whether encoding a prompt puts the BOS token first.
    newline : bool
        Whether the token of a line's end goes by that name, as vLLM looks PaliGemma's up.
    """
    core = Tokenizer(models.BPE(byte_fallback=False))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokens = list(dict.fromkeys([*special.values(), *extra]))
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_corpus() + prompt_words * 50, trainer)
    if newline:
        core = _with_newline(core)
    if prepend_bos:
        bos = special["bos_token"]
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, core.token_to_id(bos))]
        )
    roles = {"bos_token", "eos_token", "pad_token", "unk_token"}
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        extra_special_tokens={name: text for name, text in special.items() if name not in roles},
        **{name: text for name, text in special.items() if name in roles},
    )


def _with_newline(core: Tokenizer) -> Tokenizer:
    """The same tokens by the same ids; that of a line's end is called by what it stands for."""
    told = json.loads(core.to_str())
    model = told["model"]
    model["vocab"] = {
        "\n" if name == _NEWLINE else name: number for name, number in model["vocab"].items()
    }
    found = Tokenizer.from_str(json.dumps(told))
    found.add_tokens([AddedToken("\n", normalized=False)])
    return found


def _corpus() -> list[str]:
    """Questions and answers of some training scenes; answers with and without a leading space."""
    lines = []
    for seed in _CORPUS_SCENES:
        scene, rng = draw_scene(seed), np.random.default_rng(seed)
        asked = [ask(scene, kind, rng, variant=seed) for kind in KINDS]
        for question in [*asked, *(ask_auxiliary(scene, rng) for _ in range(4))]:
            if question is not None:
                lines += [question.text, question.answer, f" {question.answer}"]
    return lines
