"""Text never becomes markup, and every escape can be told from text of the same look."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from holdfast_attack.report.markup import Markup, bytes_marked, element, hexadecimal, joined, marked, text

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)


def test_text_is_escaped_and_markup_is_not() -> None:
    inner = element("b", "<i>")
    assert inner == "<b>&lt;i&gt;</b>"
    assert element("p", "1 < 2 & ", inner, class_="a\"'", aria_label="]]>\n") == (
        '<p class="a&quot;&#x27;" aria-label="]]&gt;\\n">1 &lt; 2 &amp; <b>&lt;i&gt;</b></p>'
    )
    assert isinstance(joined("a", Markup("<br>")), Markup)


def test_attributes_may_have_the_names_of_parameters() -> None:
    assert element("rect", attributes={"tag": "1", "name": "2"}) == '<rect tag="1" name="2"></rect>'


@given(ANY_TEXT)
def test_any_text_is_read_back_as_text_by_readers_of_xml_and_html(value: str) -> None:
    made = element("a", value, title=value)
    root = ElementTree.fromstring(made.encode())  # noqa: S314 - made here
    assert list(root) == []
    assert root.text == (unescape(text(value)) or None)

    class Reader(HTMLParser):
        tags = 0

        def handle_starttag(self, _tag: str, _attributes: object) -> None:
            self.tags += 1

    reader = Reader()
    reader.feed(made)
    reader.close()
    assert reader.tags == 1


def test_escapes_are_marked_so_that_nobody_takes_them_for_text() -> None:
    assert marked("\\x1b \x1b\u202e") == "\\x1b <i>\\x1b\\u202e</i>"
    assert marked("a\nb", keep="\n") == "a\nb"
    assert marked("a\nb") == "a<i>\\n</i>b"


def test_bytes_show_their_line_ends_and_what_is_no_utf_8() -> None:
    assert bytes_marked(b"<a>\n\xff\xc3\xa9\n") == "&lt;a&gt;<i>\\n</i>\n<i>\\xff</i>é<i>\\n</i>\n"
    assert bytes_marked(b"") == ""


def test_a_hexdump_has_offset_bytes_and_ascii() -> None:
    assert hexadecimal(b"\x00\x01AB<>~\x7f\xff") == (
        "0000 00 01 41 42 3c 3e 7e 7f ..AB<>~.\n0008 ff                      ."
    )
