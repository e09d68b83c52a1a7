"""The documentation: every page is reached, every link leads somewhere, every example loads as what it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pmgitops import settings
from pmgitops.document import read, validate
from pmgitops.load import RequestFile, load
from pmgitops.policy import bundle, cases
from pmgitops.policy.form import DATA
from tests.world import ROOT

README = ROOT / "README.md"
INDEX = ROOT / "docs" / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^( *)```ya?ml\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
OURS = "apiVersion: pmgitops/v1"


def links(page: Path) -> list[str]:
    return LINK.findall(re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)) if page.exists() else []


def reached() -> set[Path]:
    """Pages that README.md or docs/README.md link to, or a folder's own README.md that they link to."""
    start = [page for page in (README, INDEX) if page.exists()]
    found = {(page.parent / link.partition("#")[0]).resolve() for page in start for link in links(page)}
    indexes = [page for page in found if page.name == "README.md" or page.is_dir()]
    for index in indexes:
        page = index / "README.md" if index.is_dir() else index
        found |= {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_is_linked(page: Path) -> None:
    assert page == INDEX or page in reached()


def test_the_index_is_linked() -> None:
    assert not INDEX.exists() or INDEX in reached() or INDEX.parent in reached()


@pytest.mark.parametrize(
    "page", [README, ROOT / "CHANGELOG.md", *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_links_lead_somewhere(page: Path) -> None:
    local = [link for link in links(page) if not re.match(r"[a-z]+:", link)]
    broken = [link for link in local if not leads(page, link)]
    assert broken == []


def leads(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", title.strip().lower()) for title in titles]
    return {title.replace(" ", "-") for title in plain}


def examples() -> list[tuple[str, str]]:
    found = []
    for page in [README, *PAGES]:
        text = page.read_text("utf-8")
        for match in BLOCK.finditer(text):
            body = re.sub(rf"^{match[1]}", "", match[2], flags=re.MULTILINE)
            written = [line for line in body.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            if written and written[0].startswith(OURS):
                line = text.count("\n", 0, match.start()) + 1
                found.append((f"{page.relative_to(ROOT).as_posix()}:{line}", body))
    return found


EXAMPLES = examples()


@pytest.mark.parametrize(("where", "text"), EXAMPLES, ids=[where for where, _ in EXAMPLES])
def test_every_example_loads_as_what_it_is(where: str, text: str) -> None:
    assert wrong(text) == [], where


def wrong(text: str) -> list[str]:
    """What is wrong with an example; empty where it loads as the request, policy, data or configuration that it is."""
    data = text.encode()
    if re.search(r"^kind:", text, re.MULTILINE):
        loaded = load("requests/example.yaml", data)
        return [] if isinstance(loaded, RequestFile) else [found.message for found in loaded]
    rule = re.search(r"^id: *(\S+)", text, re.MULTILINE)
    if rule:
        starter = (ROOT / "policies" / "data.yaml").read_bytes()
        found = bundle.load([(f"policies/{rule[1]}.yaml", data), ("policies/data.yaml", starter)])
        about = [one.message for one in found.findings if "data.yaml" not in one.path]
        return about + [found.message for result in cases.run(found) for found in result.findings]
    config = re.search(r"^(branch|targets|routes|tickets|ledger|limits):", text, re.MULTILINE)
    if config:
        settings.parse(data)
        return []
    document = read(data, "data.yaml")
    checked = document if isinstance(document, list) else validate(document, "data.yaml", DATA)
    return [found.message for found in checked] if isinstance(checked, list) else []


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: pmgitops/v1\nkind: aws-policies\n",
        "apiVersion: pmgitops/v1\nid: x\ntitle: X\n",
        "apiVersion: pmgitops/v1\nblackoutWindows: often\n",
    ],
)
def test_a_wrong_example_is_noticed(text: str) -> None:
    assert wrong(text)


def test_a_wrong_configuration_is_noticed() -> None:
    with pytest.raises(settings.UsageError):
        wrong("apiVersion: pmgitops/v1\nbranch: main\nlimit: {}\n")
