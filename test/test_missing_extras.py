# SPDX-License-Identifier: Apache-2.0
"""Tests that need an extra which is not installed are skipped and say so; nothing else that fails is hidden by that."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

CONFTEST = Path(__file__).with_name("conftest.py")
# peft stands for a package that is not installed, rich for one that is.
START = "import sys, pytest; sys.modules['peft'] = None; sys.exit(pytest.main(sys.argv[1:]))"
FILES = {
    "test_needs_it.py": "import peft\ndef test_any(): pass\n",
    "test_needs_a_part.py": "from peft.tuners import lora\ndef test_any(): pass\n",
    "test_skips.py": "import pytest\npytest.skip('peft is not installed', allow_module_level=True)\n",
    "test_raises.py": "def test_any(): pass\nraise RuntimeError\n",
    "test_of_nobody.py": "import a_module_of_nobody\ndef test_any(): pass\n",
    "test_no_such_name.py": "from wall_oss_ros.errors import no_such_name\ndef test_any(): pass\n",
    "test_no_such_part.py": "import rich.no_such_part\ndef test_any(): pass\n",
    "test_running.py": '''
import argparse, sys
import pytest
from wall_oss_ros.commands import main as command

def asked(monkeypatch, work):
    """wall-oss with a command that does ``work``."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(command_main=work)
    monkeypatch.setattr(command, "build_parser", lambda: parser)
    return command.main([])

def needs_it(args):
    import peft

def needs_nobody(args):
    import rich.no_such_part

def test_passes(): pass
def test_skips_itself(): needs_it(None)
def test_skips_in_a_command(monkeypatch): assert asked(monkeypatch, needs_it) == 0
def test_skips_in_a_command_that_ought_to_fail(monkeypatch): assert asked(monkeypatch, needs_it) == 2

def test_fails(): assert False
def test_fails_by_another_module(): needs_nobody(None)
def test_fails_by_another_module_in_a_command(monkeypatch): assert asked(monkeypatch, needs_nobody) == 0
def test_fails_after_it_was_done_without():
    try:
        needs_it(None)
    except ImportError:
        assert False, "without it, too, this has to hold"
def test_fails_while_it_is_dealt_with():
    try:
        needs_it(None)
    except ImportError as error:
        raise ValueError("as somebody's own error") from error
def test_fails_where_the_test_itself_took_it_away(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    import rich
''',
}
OUTCOMES = {
    "test_needs_it": "skipped",
    "test_needs_a_part": "skipped",
    "test_skips": "skipped",
    "test_raises": "error",
    "test_of_nobody": "error",
    "test_no_such_name": "error",
    "test_no_such_part": "error",
    "test_passes": "passed",
    "test_skips_itself": "skipped",
    "test_skips_in_a_command": "skipped",
    "test_skips_in_a_command_that_ought_to_fail": "skipped",
    "test_fails": "failure",
    "test_fails_by_another_module": "failure",
    "test_fails_by_another_module_in_a_command": "failure",
    "test_fails_after_it_was_done_without": "failure",
    "test_fails_while_it_is_dealt_with": "failure",
    "test_fails_where_the_test_itself_took_it_away": "failure",
}


def test_only_what_needs_a_missing_extra_is_skipped(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    options = ["--import-mode=importlib", "--continue-on-collection-errors", "-p", "no:cacheprovider"]
    paths = filter(None, [str(CONFTEST.parents[1]), os.environ.get("PYTHONPATH")])
    run = subprocess.run(
        [sys.executable, "-c", START, *options, "--junitxml=found.xml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    found = {}
    for case in ElementTree.parse(tmp_path / "found.xml").iter("testcase"):
        found[case.get("name")] = "passed" if not len(case) else case[0].tag
        if case.find("skipped") is not None:
            assert "peft is not installed" in ElementTree.tostring(case, encoding="unicode")
    assert found == OUTCOMES
