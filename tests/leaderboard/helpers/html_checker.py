"""What every report must satisfy as HTML, by the standard library's parser."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "input", "br"}
BLOCKS = {"p", "div", "ul", "dl", "table", "figure", "section", "details", "h2", "h3", "h4"}
PARENTS = {
    "li": {"ul"},
    "dt": {"dl"},
    "dd": {"dl"},
    "tr": {"thead", "tbody"},
    "td": {"tr"},
    "th": {"tr"},
    "summary": {"details"},
    "figcaption": {"figure"},
}
EMBEDDED = re.compile(r"data:image/(?:jpeg|png);base64,[A-Za-z0-9+/]+=*")
NEVER = {"script", "iframe", "object", "embed", "form", "base", "link", "img", "foreignobject"}


class Checker(HTMLParser):
    """Elements closed in order and nested as they may be, ids unique, nothing fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.ids, self.tags, self.text, self.links = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        self._check_place(tag)
        self.tags.append(tag)
        assert len(dict(attributes)) == len(attributes), (tag, attributes)
        for name, value in attributes:
            assert not name.startswith("on"), name
            assert name not in {"src", "srcset", "style", "xlink:href", "action"}, (tag, name)
            if name == "href":
                self._check_link(tag, value)
            if name == "id":
                assert re.fullmatch(r"[a-z0-9-]+", value), value
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.text.append(data)

    def _check_place(self, tag):
        if tag in PARENTS:
            assert self.open[-1] in PARENTS[tag], (tag, self.open[-1])
        if tag in BLOCKS:
            assert not {"p", "summary", "span"} & set(self.open), (tag, self.open)
        assert not (tag == "a" and "a" in self.open)

    def _check_link(self, tag, value):
        if tag == "image":
            assert EMBEDDED.fullmatch(value), value[:80]
        else:
            assert re.fullmatch(r"#[a-z0-9-]+", value), value
            self.links.append(value[1:])


def check(html: str) -> Checker:
    """Parse a whole report; AssertionError at what is wrong."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert set(checker.links) <= set(checker.ids)
    assert checker.tags.count("script") == 1
    assert not (NEVER - {"script"}) & set(checker.tags)
    return checker
