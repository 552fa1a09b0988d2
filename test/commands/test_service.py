# SPDX-License-Identifier: Apache-2.0
"""wall-oss service."""

import os
import subprocess
import sys

import pytest
from embedded_support import DOMAIN, PATIENCE, ROOT, context, executor, make_node, spin_until  # noqa: F401

from wall_oss_ros.embedded.interfaces import get_interface

pytestmark = pytest.mark.slow

SetBool, Trigger = (get_interface("std_srvs", "srv", name) for name in ("SetBool", "Trigger"))


def answers(executor, *words) -> tuple[int, str, str]:
    """Runs wall-oss service in this process's domain; exit status, output and errors."""
    env = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-u", "-m", "wall_oss_ros.commands.main", "service", *words]
    process = subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert spin_until(executor, lambda: process.poll() is not None)
        return process.returncode, *process.communicate(timeout=PATIENCE)
    finally:
        process.kill()


@pytest.fixture
def robot(make_node):
    """A node with two services."""
    node = make_node("robot")

    def home(_request, response):
        response.success, response.message = False, "not home: a plan is running"
        return response

    def switch(request, response):
        response.success, response.message = request.data, "on" if request.data else "off"
        return response

    node.create_service(Trigger, "/robot/home", home)
    node.create_service(SetBool, "/robot/switch", switch)
    return node


def test_a_call_prints_the_answer_and_tells_of_failure(robot, executor):
    assert answers(executor, "call", "/robot/home") == (
        1,
        "success: false\nmessage: 'not home: a plan is running'\n",
        "",
    )
    assert answers(executor, "call", "robot/switch", "data: true") == (0, "success: true\nmessage: 'on'\n", "")


@pytest.mark.slow
def test_what_cannot_be_called_is_told_in_one_line(robot, executor):
    status, _, errors = answers(executor, "call", "/robot/switch", "dat: true")
    assert status == 2 and "has no field 'dat'" in errors and "Traceback" not in errors
    status, _, errors = answers(executor, "call", "/robot/dance")
    assert status == 2 and "no service /robot/dance" in errors


def test_services_are_listed_with_their_types(robot, executor):
    status, out, _ = answers(executor, "list", "-t")
    assert status == 0 and "/robot/home [std_srvs/srv/Trigger]\n" in out
