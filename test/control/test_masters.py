# SPDX-License-Identifier: Apache-2.0
"""A second planner, action expert, control or publisher of commands is noticed and named."""

import math

from wall_oss_ros.control.masters import Senders, foreign_publishers


def test_one_is_no_fault_however_often_it_speaks():
    planners = Senders("planners")
    for n in range(100):
        planners.heard("/wall_oss/planner#1", 0.1 * n)
        assert planners.fault(0.1 * n) == ""


def test_two_are_named_until_one_is_silent():
    planners = Senders("planners")
    planners.heard("/a/planner#1", 0.0)
    planners.heard("/b/planner#2", 1.0)
    fault = planners.fault(1.0)
    assert "2 planners" in fault and "/a/planner#1" in fault and "/b/planner#2" in fault
    assert planners.fault(2.4)
    planners.heard("/b/planner#2", 2.6)
    assert planners.fault(2.6) == "", "the first was replaced"
    for n in range(20):  # both go on
        planners.heard("/a/planner#1", 3.0 + n)
        planners.heard("/b/planner#2", 3.5 + n)
        assert planners.fault(3.5 + n)


def test_oneself_is_always_there():
    controls = Senders("control nodes")
    controls.heard("me", math.inf)
    assert controls.fault(100.0) == ""
    controls.heard("other", 100.0)
    assert "other" in controls.fault(100.1)
    assert controls.fault(110.0) == ""


def test_foreign_publishers_are_named_with_their_topic():
    own = "/wall_oss/control"
    assert foreign_publishers(own, {}) == ""
    assert foreign_publishers(own, {"/arm/joint_trajectory": [own], "/head": [own, own]}) == ""
    fault = foreign_publishers(own, {"/arm/joint_trajectory": [own], "/cmd_vel": [own, "/teleop", "/joy"]})
    assert "/joy and /teleop" in fault and "/cmd_vel" in fault
