"""A task of a few questions about shapes, some of whose documents are bad in a way of their own."""

import io
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vrp_tasks.tiny.world import draw_scene
from vrp_tasks.tiny.world.dataset import questions_about

FUNCTIONS = """
from PIL import Image


def _bad(doc, what):
    return doc["bad"] == what


def doc_to_visual(doc):
    if _bad(doc, "visual"):
        raise KeyError("no such picture")
    if _bad(doc, "strip"):
        return [Image.new("RGB", (2000, 1))]
    return [doc["image"].convert("RGB")]


def doc_to_text(doc):
    if _bad(doc, "text"):
        raise KeyError("no such text")
    return doc["question"]


def doc_to_target(doc):
    if _bad(doc, "target"):
        raise KeyError("no such target")
    return doc["answer"]


def pairs(items):
    # fails without every answer, as aggregations over pairs do
    if len(items) % 2:
        raise ZeroDivisionError("an answer has no other")
    return sum(items) / len(items)


def kind(doc):
    if _bad(doc, "kind"):
        raise KeyError("no such kind")
    return None if _bad(doc, "no kind") else doc["kind"]


def group(doc):
    if _bad(doc, "group"):
        raise KeyError("no such group")
    return doc["image_id"]


def score(doc, answer, results):
    if _bad(doc, "score"):
        raise KeyError("no such score")
    return results["right"]


def regions(doc):
    if _bad(doc, "regions"):
        raise KeyError("no such regions")
    width, height = doc["image"].size
    return {"boxes": [[2, 2, width // 2, height // 2]], "size": [width, height]}


def process_results(doc, results):
    if _bad(doc, "scorer"):
        raise KeyError("no such scorer")
    right = float(results[0].lower().rstrip(".") == doc["answer"])
    return {"right": right, "pairs": right}
"""
BASE = """
task: bad_base
dataset_path: parquet
dataset_kwargs: {data_files: {test: questions.parquet}}
test_split: test
output_type: generate_until
doc_to_visual: !function bad_functions.doc_to_visual
doc_to_text: !function bad_functions.doc_to_text
doc_to_target: !function bad_functions.doc_to_target
generation_kwargs: {max_new_tokens: 4, temperature: 0, top_p: 1.0, num_beams: 1, do_sample: false}
process_results: !function bad_functions.process_results
metric_list:
  - {metric: right, aggregation: mean, higher_is_better: true}
  - {metric: pairs, aggregation: !function bad_functions.pairs, higher_is_better: true}
metadata: {version: 1.0}
"""
ATTACHED = """
task: vrp_bad
metadata:
  vrp:
    base: bad_base
    score: bad_functions:score
    kind: bad_functions:kind
    group: bad_functions:group
    regions: bad_functions:regions
"""
LONG = "Is there a red circle? " * 400


def png(seed=0, size=None):
    """A scene as PNG."""
    picture = Image.fromarray(draw_scene(seed).image)
    return _bytes(picture if size is None else Image.new("RGB", size), "PNG")


def jpeg(seed=0):
    """A scene as JPEG."""
    return _bytes(Image.fromarray(draw_scene(seed).image), "JPEG")


def _bytes(picture, kind):
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def bomb():
    """A PNG that says it has more pixels than PIL opens."""
    whole = bytearray(png())
    whole[16:24] = (30_000).to_bytes(4, "big") * 2
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4, "big")
    return bytes(whole)


# what is bad -> the picture's bytes, of those that are bad in their bytes
PICTURES = {
    "unreadable": lambda: b"this is no picture",
    "empty": lambda: b"",
    "bomb": bomb,
    "truncated": lambda: jpeg()[: len(jpeg()) // 2],
}
QUESTIONS = {"token": "<image><|image_pad|> Is there a red circle?", "long": LONG}


def write_bad_tasks(folder, bad, *, n=12):
    """Tasks ``bad_base`` and ``vrp_bad`` of n questions; ``bad``: row -> what is bad about it."""
    rows = []
    for row in range(n):
        scene = draw_scene(row // 2)
        question = questions_about(scene, row // 2)[row % 2]
        what = bad.get(row, "")
        rows.append(
            {
                "image": {"bytes": PICTURES.get(what, lambda s=row // 2: png(s))(), "path": None},
                "image_id": f"scene {row // 2}",
                "question": QUESTIONS.get(what, question.text),
                "answer": question.answer,
                "kind": question.kind,
                "bad": what,
            }
        )
    picture = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    texts = ("image_id", "question", "answer", "kind", "bad")
    schema = pa.schema({"image": picture, **dict.fromkeys(texts, pa.string())})
    info = (
        '{"info": {"features": {"image": {"_type": "Image"}, '
        + ", ".join(f'"{name}": {{"dtype": "string", "_type": "Value"}}' for name in texts)
        + "}}}"
    )
    table = pa.Table.from_pylist(rows, schema=schema).replace_schema_metadata({"huggingface": info})
    pq.write_table(table, folder / "questions.parquet")
    (folder / "bad_functions.py").write_text(FUNCTIONS)
    (folder / "bad_base.yaml").write_text(BASE)
    (folder / "vrp_bad.yaml").write_text(ATTACHED)
    return rows
