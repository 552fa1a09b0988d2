# SPDX-License-Identifier: Apache-2.0
"""Arguments that cannot be used end every node with one line and status 2, before it does anything."""

import importlib
import sys
from types import SimpleNamespace

import pytest

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.embedded.arguments import parse
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes import running
from wall_oss_ros.nodes.arguments import look_for_strangers, look_over
from wall_oss_ros.nodes.running import run

MAINS = (
    "nodes.perception", "nodes.planner", "nodes.action_expert", "nodes.control", "nodes.model", "nodes.plan_markers",
    "nodes.mock_gripper", "nodes.simulated_robot", "page.node",
)  # fmt: skip


@pytest.mark.parametrize("module", MAINS)
def test_every_node_ends_with_a_line(module, monkeypatch, capsys):
    main = importlib.import_module(f"wall_oss_ros.{module}").main
    monkeypatch.setattr(sys, "argv", ["node", "--ros-args", "--params-file", "/nowhere.yaml"])
    assert main() == 2
    assert capsys.readouterr().err.startswith("error: The parameter file /nowhere.yaml cannot be read")


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--ros-args", "--log-level", "loud"], "Unknown log level 'loud'"),
        (["--ros-args", "-p", "use_sim_time:='True'"], "use_sim_time is 'True', which is a str"),
        (["--ros-args", "-r", "__node:=bad-name"], "'bad-name'"),
        (["--ros-args", "-r", "/joint_states:=/joint states"], "'/joint states'"),
        (["--ros-args", "--params-file", "tab.yaml"], "line 2 has a tab"),
        (["--ros-args", "--params-file", "two.yaml"], "line 4: the key 'rate_hz' is there already"),
        (["--ros-args", "--params-file", "bare.yaml"], "no node with ros__parameters"),
        (["robot:=ur"], "--ros-args -p robot:=ur"),
        (["--rate", "5"], "'--rate' has no meaning"),
    ],
)
def test_unusable_arguments(words, complaint, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tab.yaml").write_text("perception:\n\tros__parameters: {}")
    (tmp_path / "two.yaml").write_text("/**:\n  ros__parameters:\n    rate_hz: 1.0\n    rate_hz: 2.0")
    (tmp_path / "bare.yaml").write_text("perception:\n  robot: ur")
    assert run(lambda: pytest.fail("a node was made"), arguments=words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and complaint in said and said.count("\n") == 1


def test_what_rclpy_says_is_one_line(monkeypatch, capsys):
    def refuse(**_):
        raise RuntimeError("failed to initialize rcl: no domain,\n at /opt/ros/src/rcl/init.c:415, at a.c:3")

    monkeypatch.setattr(running.rclpy, "init", refuse)
    assert run(lambda: None, arguments=[]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ROS 2 did not start: failed to initialize rcl: no domain. Correct")


def _node(name, *parameters):
    return SimpleNamespace(
        get_fully_qualified_name=lambda: name,
        has_parameter=parameters.__contains__,
        list_parameters=lambda prefixes, depth: SimpleNamespace(names=list(parameters)),
    )


NODES = _node("/wall_oss/planner", "robot", "model", "use_sim_time"), _node("/wall_oss/action_expert", "robot", "steps")


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["-p", "robott:=ur"], "no parameter 'robott' .*Did you mean robot"),
        (["-p", "zzz:=1"], "There are model, robot"),
        (["-p", "planner:robot:=ur"], "given to the node /planner, but this is /wall_oss/planner"),
        (["--params-file", "own.yaml"], "no parameter 'stepps'.*mean robot|There are"),
        (["--params-file", "shared.yaml"], "no parameter 'nonsense'"),
    ],
)
def test_parameters_that_no_node_has_are_refused(words, complaint, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("/wall_oss/planner:\n  ros__parameters: {stepps: 3}")
    (tmp_path / "shared.yaml").write_text("/**:\n  ros__parameters: {nonsense: 3}")
    with pytest.raises(WallOSSError, match=complaint):
        look_for_strangers(parse(["--ros-args", *words]), NODES)


def test_what_is_meant_for_others_is_left_to_them(tmp_path):
    path = tmp_path / "shared.yaml"
    path.write_text(
        "/**:\n  ros__parameters: {robot: ur, use_sim_time: true, stamp_commands: true}\n"
        "/wall_oss/planner:\n  ros__parameters: {qos_overrides: {/a: {depth: 3}}}\n"
        "/**/action_expert:\n  ros__parameters: {steps: 3}\n"
        "/**/moveit:\n  ros__parameters: {anything: 3}\n"
    )
    words = ["--ros-args", "--params-file", str(path), "-p", "steps:=2", "-p", "other:x:=1", "--log-level", "debug"]
    look_for_strangers(look_over(words), NODES)
