"""What may stand in the tree: no address of a package index, no path of one machine, the version in one place."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from pmgitops import __version__
from tests.world import ROOT

_HOSTS = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry." + "npmjs",
    "npmjs" + ".com",
    "proxy." + "golang",
    "crates" + ".io",
)
INDEX = re.compile(
    "|".join(map(re.escape, _HOSTS)) + r"|--(extra-)?index-url|\b(jfrog|artifactory|nexus)\b", re.IGNORECASE
)
MACHINE = re.compile(r"(?<![\w.$/{}-])/(work|root|tmp/exp|Users|home)/[\w.-]+")
LARGEST = 200_000


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [name.decode("utf-8", "surrogateescape") for name in listed.stdout.split(b"\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[str], path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8", "replace")
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for number, line in enumerate(text.split("\n"), 1)
        if pattern.search(line)
    ]


def test_no_package_index_is_named() -> None:
    """Whoever installs this decides where packages come from."""
    assert [line for path in tracked() for line in lines_with(INDEX, path) if path != Path(__file__)] == []


def test_no_path_of_one_machine_is_named() -> None:
    assert [line for path in tracked() for line in lines_with(MACHINE, path) if path != Path(__file__)] == []


def test_the_patterns_find_what_they_are_for() -> None:
    assert INDEX.search("see https://" + "pypi" + ".org/simple")
    assert INDEX.search("pip install --index-url x")
    assert MACHINE.search("cd /work/main")
    assert MACHINE.search('"/home/alex/x"')
    assert not MACHINE.search("https://contoso.example/home/alex")
    assert not MACHINE.search("$HOME/work/x")


def test_no_file_is_huge_or_a_link_out() -> None:
    for path in tracked():
        assert path.stat().st_size <= LARGEST or path.parent.name == "locks" or path.suffix == ".json", path
        assert not path.is_symlink() or ROOT in path.resolve().parents, path


def test_the_folder_of_requests_is_no_package() -> None:
    """Otherwise `import requests` would find it where the library is missing."""
    assert list((ROOT / "requests").rglob("*.py")) == []


# The version


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "pmgitops/__init__.py"
    quoted = re.compile(rf"""["']{re.escape(__version__)}["']""")
    places = [path for path in tracked() if path.suffix in {".py", ".toml"} and lines_with(quoted, path)]
    assert places == [ROOT / "pmgitops" / "__init__.py"]


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?", __version__)


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    sections = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert sections[0] == "Unreleased"
    assert sections.count("Unreleased") == 1
    body = text.partition("## [Unreleased]")[2].partition("\n## ")[0]
    assert re.search(r"^### (Added|Changed|Deprecated|Removed|Fixed|Security)\n\n- ", body, re.MULTILINE)
    assert len(set(sections)) == len(sections)
