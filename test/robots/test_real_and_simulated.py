# SPDX-License-Identifier: Apache-2.0
"""A real robot goes slowly and waits for a person after a hold; only what simulates goes as fast as simulation may."""

import json

import pytest
import yaml

from wall_oss_ros.bringup.system import system
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.control import ControlNode
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import available_profiles, load_profile
from wall_oss_ros.sim.registry import task_of

REDUCED = 0.25  # m/s: "reduced speed" of ISO 10218-1


def shipped() -> list[str]:
    """Every robot that has a profile, and each of its variants."""
    names = []
    for name in available_profiles():
        content = yaml.safe_load((data_path("config/robots") / f"{name}.yaml").read_text())
        names += [name, *(f"{name}:{variant}" for variant in content.get("variants", {}))]
    return names


SHIPPED = shipped()
SIMULATED = [name for name in SHIPPED if load_profile(name).simulation is not None]


def speeds(profile) -> list[float]:
    return [one.arm.max_tcp_speed for one in profile.arms]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_real_robot_ships_slow_and_waits_for_a_person(name):
    profile = load_profile(name)
    assert max(speeds(profile)) <= REDUCED
    assert profile.resume == "manual"


@pytest.mark.parametrize("name", SIMULATED)
def test_simulation_keeps_its_own(name):
    profile, simulated = load_profile(name), load_profile(name, simulated=True)
    assert set(speeds(simulated)) == {0.5 if name.startswith("dual_arm") else 0.6}
    assert simulated.resume == "automatic"
    assert simulated.simulated() == simulated, "once is enough"
    assert robot_identity(simulated) == robot_identity(profile), "and it is the same robot to every node"
    same = {"arm", "more_arms", "resume"}
    assert simulated.model_dump(exclude=same) == profile.model_dump(exclude=same), "nothing else differs"
    assert task_of(name).profile == simulated and task_of(profile).profile == simulated


@pytest.mark.parametrize("name", ["franka", "ur:ur10e", "dual_arm"])
@pytest.mark.parametrize("sim", [False, True])
def test_control_goes_as_fast_as_simulation_only_where_the_robot_is_simulated(name, sim):
    (control,) = system(robot=name, sim=sim, only=["control"])
    assert control.parameters["simulated"] is sim


def test_a_control_node_that_is_told_nothing_takes_the_robot_for_real():
    (parameter,) = (one for one in ControlNode.PARAMETERS if one.name == "simulated")
    assert parameter.default is False and not parameter.live
    nodes = yaml.safe_load(data_path("config/nodes.yaml").read_text())
    assert not any("simulated" in node["ros__parameters"] for node in nodes.values()), "nor does the file of parameters"


def test_what_simulation_does_not_say_stays_as_it_is(tmp_path):
    content = yaml.safe_load((data_path("config/robots") / "dual_arm.yaml").read_text())
    del content["simulation"]["resume"], content["simulation"]["more_arms"][0]["max_tcp_speed"]
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps(content))
    simulated = load_profile(path, simulated=True)
    assert simulated.resume == "manual" and speeds(simulated) == [0.5, REDUCED]


@pytest.mark.parametrize("speed", [0, -0.6, float("nan"), float("inf"), "fast"])
def test_a_speed_that_is_none_is_refused_by_name(tmp_path, speed):
    content = yaml.safe_load((data_path("config/robots") / "franka.yaml").read_text())
    content["simulation"]["max_tcp_speed"] = speed
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(WallOSSError, match=r"simulation\.max_tcp_speed"):
        load_profile(path)


@pytest.mark.parametrize("name", sorted({*SHIPPED} - {*SIMULATED}))
def test_a_robot_without_a_simulation_has_no_other_values(name):
    with pytest.raises(WallOSSError, match="no simulation section"):
        load_profile(name, simulated=True)
