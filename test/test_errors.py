# SPDX-License-Identifier: Apache-2.0
"""What people read when something is wrong."""

import pytest

from wall_oss_ros.errors import WallOSSError


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
