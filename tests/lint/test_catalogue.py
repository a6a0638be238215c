"""Every code has a page, every page a code, and every example shows what it says: they are tests too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.linting import graver

from holdfast.errors import ConfigurationError
from holdfast.lint.catalogue import FAMILIES, LEVELS, check_of, checks, chosen, index

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "checks"
SHOWN = [code for code, check in checks().items() if check.bad]
ELSEWHERE = {"HF205", "HF206", "HF701", "HF702", "HF703", "HF704", "HF705"}
"""What one file cannot show: settings and manifests; test_limits.py and test_pinned.py do."""
AGAIN = """PYTHONPATH=src python -c "
from pathlib import Path
from holdfast.lint.catalogue import checks, index
for check in checks().values():
    Path('docs/checks', check.code + '.md').write_text(check.page())
Path('docs/checks/README.md').write_text(index())" """


def test_pages_and_codes_are_the_same_both_ways() -> None:
    assert {page.stem for page in PAGES.glob("HF*.md")} == set(checks()), f"run: {AGAIN}"


@pytest.mark.parametrize("code", checks())
def test_a_page_is_the_generated_one(code: str) -> None:
    assert (PAGES / f"{code}.md").read_text("utf-8") == check_of(code).page(), f"run: {AGAIN}"


def test_the_index_lists_every_page() -> None:
    assert (PAGES / "README.md").read_text("utf-8") == index(), f"run: {AGAIN}"
    assert set(re.findall(r"\((HF\d+)\.md\)", index())) == set(checks())


@pytest.mark.parametrize("code", checks())
def test_a_check_is_complete(code: str) -> None:
    check = check_of(code)
    assert re.fullmatch(r"HF[1-9]\d\d", code)
    assert code[:3] in FAMILIES
    assert check.level in LEVELS
    assert bool(check.bad) == bool(check.good) == (code not in ELSEWHERE)
    assert check.why.endswith(".") or check.why.endswith(")")
    assert check.instead.endswith(".")


@pytest.mark.parametrize("code", SHOWN)
def test_the_bad_example_has_the_finding(code: str, look) -> None:  # type: ignore[no-untyped-def]
    assert code in {finding.code for finding in look(check_of(code).bad)}


@pytest.mark.parametrize("code", SHOWN)
def test_the_good_example_has_nothing(code: str, look) -> None:  # type: ignore[no-untyped-def]
    found = look(check_of(code).good)
    assert code not in {finding.code for finding in found}
    assert graver(found) == []


def test_codes_are_chosen_by_their_beginnings() -> None:
    assert chosen(["hf30"]) == {code for code in checks() if code.startswith("HF30")}
    assert chosen(["HF101, HF2", "HF9"]) >= {"HF101", "HF201", "HF901"}
    assert chosen([]) == frozenset()


@pytest.mark.parametrize("word", ["HF", "", "HF000", "X101", "HF1011"])
def test_a_code_that_does_not_exist_is_refused(word: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no check"):
        chosen([word])
    with pytest.raises(ConfigurationError, match="there is no check"):
        check_of(word)
