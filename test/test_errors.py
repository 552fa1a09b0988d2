# SPDX-License-Identifier: Apache-2.0
"""What people read when something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from wall_oss_ros.errors import WallOSSError

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "hint, shown",
    [
        ("Launch with driver:=false.", "Launch with driver:=false"),
        (
            "Give robot_ip:=<address>, or use_mock_hardware:=true.",
            "Give robot_ip:=<address>, or use_mock_hardware:=true",
        ),
        ("Start without --resume.", "Start without --resume"),
        ("Correct the file.", "Correct the file."),
        ("Write it as name:=value, please.", "Write it as name:=value, please."),
        ("", ""),
    ],
)
def test_what_people_copy_ends_without_a_full_stop(hint, shown):
    assert WallOSSError("Wrong.", hint).hint == shown


def test_a_file_whose_package_is_missing_is_skipped_and_the_others_are_collected(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "test/conftest.py").read_text())
    (tmp_path / "test_missing.py").write_text("import peft\n\ndef test_a():\n    pass\n")
    (tmp_path / "test_there.py").write_text("def test_b():\n    pass\n")
    code = (
        "import sys; sys.modules['peft'] = None\n"
        "import pytest; sys.exit(pytest.main(['-ra', '--import-mode=importlib', '.']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "1 passed, 1 skipped" in done.stdout, done.stdout
    assert "peft is not installed" in done.stdout
