# SPDX-License-Identifier: Apache-2.0
"""Taking rclpy's place, network configuration, and logging."""

import sys

import pytest
from embedded_support import Child, context, executor, make_node, spin_until  # noqa: F401

from wall_oss_ros.embedded import dds, logging
from wall_oss_ros.embedded.interfaces import get_message
from wall_oss_ros.embedded.logging import LoggingSeverity, get_logger
from wall_oss_ros.errors import WallOSSError

IMPORTS = """
    import sys, types
    {before}
    from wall_oss_ros.embedded import auto
    print(auto.IN_USE)
    import rclpy
    for line in {lines!r}:
        try:
            exec(line)
            print("ok")
        except Exception as error:
            print(type(error).__name__, error)
"""


def run_lines(*lines, before=""):
    with Child(IMPORTS.format(lines=lines, before=before), PYTHONSAFEPATH="") as child:
        status, out, errors = child.finish()
    assert status == 0, errors
    return out.splitlines(), errors


@pytest.mark.skipif("rclpy" in sys.modules and not hasattr(sys.modules["rclpy"], "_lock"), reason="ROS 2 is installed")
def test_names_are_found_and_what_is_missing_is_said():
    answers, errors = run_lines(
        "import rclpy.node, rclpy.action, rclpy.lifecycle.node, cv_bridge, tf2_ros.buffer, sensor_msgs_py.point_cloud2",
        "from wall_oss_msgs.action import ExecuteInstruction; from std_srvs.srv import Trigger",
        "import wall_oss_ros.embedded.node; assert rclpy.node is wall_oss_ros.embedded.node",
        "import rosbag2_py",
        "import rclpy.experimental",
        "from std_msgs.msg import Sting",
        "from rclpy.node import Nod",
    )
    assert answers[:4] == ["True", "ok", "ok", "ok"]
    assert answers[4].startswith("NotOfferedModule rosbag2_py is not part of the embedded library")
    assert answers[5].startswith("NotOfferedModule rclpy.experimental is not part of the embedded library")
    assert "no definition of std_msgs/msg/Sting" in answers[6] and "String" in answers[6]
    assert answers[7].startswith("ImportError cannot import name 'Nod'")
    assert errors.count("the embedded library is in use") == 1


@pytest.mark.skipif("rclpy" in sys.modules and not hasattr(sys.modules["rclpy"], "_lock"), reason="ROS 2 is installed")
def test_submodules_are_attributes_and_to_ask_for_what_is_missing_is_no_error():
    answers, _ = run_lines(
        "from rclpy.node import Node; rclpy.executors.SingleThreadedExecutor, rclpy.qos.QoSProfile, rclpy.time.Time",
        "rclpy.parameter.Parameter, rclpy.callback_groups, rclpy.duration, rclpy.utilities, rclpy.action.ActionClient",
        "rclpy.experimental",
        "from importlib.util import find_spec; assert find_spec('rosbag2_py') is find_spec('rclpy.x') is None",
        "assert find_spec('std_msgs.msg.Sting') is find_spec('nobodys_msgs') is None and find_spec('rclpy.qos')",
        "import nobodys_msgs",
    )
    assert answers[1:3] == ["ok", "ok"] and answers[4:6] == ["ok", "ok"]
    assert answers[3] == "NotOfferedName The embedded library does not offer rclpy.experimental (see docs/embedded.md)."
    assert answers[6] == "ModuleNotFoundError No module named 'nobodys_msgs'"


@pytest.mark.skipif("rclpy" in sys.modules and not hasattr(sys.modules["rclpy"], "_lock"), reason="ROS 2 is installed")
def test_nothing_that_is_there_is_hidden(tmp_path):
    (tmp_path / "launch.py").write_text("mine = True")
    for package in ("tf_transformations", "moon_msgs", "std_srvs"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("mine = True")
    (tmp_path / "std_msgs").mkdir()  # mere folders
    (tmp_path / "rclpy").mkdir()
    answers, _ = run_lines(
        "import launch, tf_transformations; assert launch.mine and tf_transformations.mine",
        "import moon_msgs, std_srvs; assert moon_msgs.mine and std_srvs.mine",
        "from std_msgs.msg import String; rclpy.init",
        before=f"sys.path.insert(0, {str(tmp_path)!r})",
    )
    assert answers == ["True", "ok", "ok", "ok"]


def test_it_steps_aside_for_the_real_rclpy():
    before = "sys.modules['rclpy'] = types.ModuleType('rclpy'); sys.modules['rclpy'].real = True"
    answers, errors = run_lines("assert rclpy.real", "import std_msgs.msg", before=before)
    assert answers[:2] == ["False", "ok"] and answers[2].startswith("ModuleNotFoundError")
    assert "embedded" not in errors


def test_the_network_is_loopback_unless_told_otherwise(monkeypatch):
    for name in ("CYCLONEDDS_URI", "WALL_OSS_NETWORK"):
        monkeypatch.delenv(name, raising=False)
    assert 'address="127.0.0.1"' in dds.configuration()
    monkeypatch.setenv("WALL_OSS_NETWORK", "eth7")
    assert 'name="eth7"' in dds.configuration() and "127.0.0.1" not in dds.configuration()
    monkeypatch.setenv("WALL_OSS_NETWORK", "10.0.0.3")
    assert 'address="10.0.0.3"' in dds.configuration()
    monkeypatch.setenv("WALL_OSS_NETWORK", "any")
    assert dds.configuration() is None
    monkeypatch.setenv("WALL_OSS_NETWORK", "")
    monkeypatch.setenv("CYCLONEDDS_URI", "<CycloneDDS/>")
    assert dds.configuration() is None


def test_an_interface_that_is_not_there_is_one_clear_error():
    code = """
        from wall_oss_ros.embedded import dds
        from wall_oss_ros.errors import WallOSSError
        try:
            dds.Participant(dds.domain_id_from_environment())
        except WallOSSError as error:
            print(error)
    """
    with Child(code, WALL_OSS_NETWORK="nosuch0", CYCLONEDDS_URI="") as child:
        line = child.line()
        child.finish()
    assert "nosuch0" in line and "WALL_OSS_NETWORK" in line


@pytest.mark.parametrize("value", ["x", "-1", "300"])
def test_a_bad_domain_is_refused(monkeypatch, value):
    monkeypatch.setenv("ROS_DOMAIN_ID", value)
    with pytest.raises(WallOSSError, match="ROS_DOMAIN_ID"):
        dds.domain_id_from_environment()


def test_log_levels_are_inherited_and_filters_apply(capfd):
    parent = get_logger("test_parent")
    child = parent.get_child("part")
    parent.set_level(LoggingSeverity.WARN)
    assert not child.info("hidden") and child.warning("shown")
    child.set_level(LoggingSeverity.DEBUG)
    for _ in range(3):
        child.info("once", once=True)
        child.info("rarely", throttle_duration_sec=60.0)
        child.debug("not first", skip_first=True)
    lines = capfd.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["shown", "once", "rarely", "not first", "not first"]
    assert lines[0].startswith("[WARN] [") and "[test_parent.part]" in lines[0]
    with pytest.raises(RuntimeError, match="loud"):
        logging.get_logging_severity_from_string("loud")


def test_a_call_that_logs_keeps_its_severity_and_filters_as_rclpy_has_it():
    logger = get_logger("test_constant")

    def say(severity, **filters):
        return logger.log("something", severity, **filters)

    assert say(LoggingSeverity.WARN) and say(LoggingSeverity.WARN)
    with pytest.raises(ValueError, match="severity cannot be changed"):
        say(LoggingSeverity.ERROR)
    with pytest.raises(ValueError, match="filters cannot be changed"):
        say(LoggingSeverity.WARN, once=True)
    assert all(logger.warning("one") and logger.error("another") for _ in range(2)), "two calls in one line"


def test_a_nodes_log_lines_are_on_rosout(make_node, executor):
    node, other, got = make_node("talker"), make_node("listener"), []
    Log = get_message("rcl_interfaces/msg/Log")
    from wall_oss_ros.embedded.qos import qos_profile_rosout_default

    other.create_subscription(Log, "/rosout", got.append, qos_profile_rosout_default)
    node.get_logger().error("the arm is stuck")
    assert spin_until(executor, lambda: any(line.msg == "the arm is stuck" for line in got))
    line = next(line for line in got if line.msg == "the arm is stuck")
    assert (line.name, line.level, line.function) == ("talker", 40, "test_a_nodes_log_lines_are_on_rosout")
