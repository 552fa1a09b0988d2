# SPDX-License-Identifier: Apache-2.0
"""The documentation holds together: links lead somewhere, and what is written from the code is what the code says."""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")]
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link, anchor in _LINK.findall(page.read_text()):
        target = page.parent / link if link else page
        assert target.exists(), f"{link} is not there"
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), f"{link} has no heading {anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_are_there(page):
    """Paths of the project in backquotes, as far as they name a file below one of its folders."""
    folders = "wall_oss_ros|wall_oss_msgs|wall_oss_bringup|benchmarks|config|docs|launch|models|test|urdf"
    for named in re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)`", page.read_text()):
        assert "NAME" in named or (ROOT / named).exists(), f"{named} is not there"
    rooms = "|".join(path.name for path in (ROOT / "wall_oss_ros").iterdir() if path.is_dir())
    for named in re.findall(rf"`((?:{rooms})/[\w./]+\.py)`", page.read_text()):  # as rooms are named among themselves
        assert (ROOT / "wall_oss_ros" / named).exists(), f"{named} is not there"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse words its help otherwise from Python 3.13 on")
def test_pages_written_from_the_code_are_up_to_date():
    generator = runpy.run_path(str(ROOT / "docs/reference/generate.py"))
    assert generator["stale"]() == [], "run: python docs/reference/generate.py"
