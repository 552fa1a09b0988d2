# SPDX-License-Identifier: Apache-2.0
"""The files that only ROS 2 reads agree with the code and with each other. Needs no ROS 2."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from wall_oss_ros import starting
from wall_oss_ros.bringup import rviz
from wall_oss_ros.bringup.system import NAMESPACE, THINKING
from wall_oss_ros.robots.profile import available_profiles, load_profile

ROOT = Path(__file__).resolve().parents[2]
BRINGUP = ROOT / "wall_oss_bringup"
LAUNCH_FILES = sorted([*ROOT.glob("launch/*.launch.py"), *BRINGUP.glob("launch/*.launch.py")])


def dependencies(package: Path) -> set[str]:
    root = ElementTree.parse(package / "package.xml").getroot()
    return {element.text for element in root if element.tag.endswith("depend")}


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_a_launch_file_explains_itself(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert "generate_launch_description" in {f.name for f in tree.body if isinstance(f, ast.FunctionDef)}


def test_the_bringup_includes_every_subsystem():
    bringup = (BRINGUP / "launch/robot.launch.py").read_text(encoding="utf-8")
    for path in ROOT.glob("launch/*.launch.py"):
        assert f'"wall_oss_ros", "{path.name}"' in bringup


def test_every_launched_node_can_be_run_by_ros2():
    launched = set(
        re.findall(
            r'package="wall_oss_ros",\s+executable="(\w+)"',
            "".join(path.read_text() for path in ROOT.glob("launch/*.launch.py")),
        )
    )
    launched |= {*THINKING, "model"}  # as the argument model_side says
    assert launched - {*THINKING, "model"} == {"simulated_robot", "perception", "control", "plan_markers"}
    for name in launched:
        assert name in starting.NODES  # which setup.py reads
        assert (ROOT / f"wall_oss_ros/nodes/{name}.py").is_file()


def test_colcon_is_told_of_every_package():
    packages = {str(path.parent.relative_to(ROOT)) for path in [ROOT / "package.xml", *ROOT.glob("*/package.xml")]}
    places = yaml.safe_load((ROOT / "colcon_defaults.yaml").read_text())
    for verb in ("build", "test", "list"):
        assert set(places[verb]["base-paths"]) == packages


def test_colcon_runs_the_tests_by_pytest():
    """As colcon decides: by the setup script's extra "test", whose own words name pytest."""
    script = f"""
import json
from setuptools import Distribution
import setuptools
found = {{}}
def setup(**options):
    distribution = Distribution(options)
    distribution.parse_config_files()
    found.update(distribution.extras_require)
setuptools.setup = setup
exec(compile(open({str(ROOT / "setup.py")!r}).read(), "setup.py", "exec"))
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [name for name in json.loads(done.stdout)["test"] if re.split(r" |<|=|>|!", name)[0] == "pytest"]


def imports_of_ros(*folders: Path) -> set[str]:
    """The ROS packages that files import; the embedded library, which stands in for them, is left out."""
    known = {"rclpy", "cv_bridge", "launch", "launch_ros", "message_filters", "sensor_msgs_py", "tf2_ros", "xacro",
             "ament_index_python", "tf_transformations"}  # fmt: skip
    found = set()
    for path in (path for folder in folders for path in folder.rglob("*.py") if "embedded" not in path.parts):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {module.split(".")[0] for module in modules if module}
    found.discard("interbotix_xs_msgs")  # Mobile ALOHA's, from its own workspace
    return {name for name in found if name in known or re.search(r"(_msgs|_srvs|_interfaces)$", name)}


def test_the_manifests_name_what_is_imported():
    of_ros = imports_of_ros(ROOT / "wall_oss_ros", ROOT / "launch")
    assert {"rclpy", "cv_bridge", "wall_oss_msgs", "rcl_interfaces"} <= of_ros
    assert of_ros <= dependencies(ROOT)
    assert imports_of_ros(BRINGUP) <= dependencies(BRINGUP)
    assert "wall_oss_bringup" not in dependencies(ROOT), "it depends on wall_oss_ros, not the other way round as well"


def test_the_bringup_depends_on_what_it_starts():
    assert {"wall_oss_ros", "robot_state_publisher", "rviz2", "launch_ros", "tf2_ros", "xacro"} <= dependencies(BRINGUP)


@pytest.mark.parametrize("robot", available_profiles())
@pytest.mark.parametrize("namespace", ["", "cell_1"])
def test_rviz_shows_the_robots_own_topics(robot, namespace, tmp_path):
    profile = load_profile(robot)
    content = yaml.safe_load(rviz.write(profile, tmp_path / "logs", namespace).read_text(encoding="utf-8"))
    manager = content["Visualization Manager"]
    topics = {}
    for display in manager["Displays"]:
        topic = display.get("Topic") or display.get("Description Topic") or {}
        topics.setdefault(display["Class"].split("/")[1], []).append(topic.get("Value"))
    before = f"/{namespace}" if namespace else ""
    assert manager["Global Options"]["Fixed Frame"] == profile.arm.base_frame
    pictures = [*(view.image_topic for view in profile.views), "/wall_oss/annotated_image"]
    assert topics["Image"] == [before + topic for topic in pictures]
    assert topics["PointCloud2"] == [f"{before}/wall_oss/scene_points"]
    assert topics.get("Wrench", []) == [before + one.arm.force.topic for one in profile.arms if one.arm.force]
    (menu,) = [one for one in manager["Displays"] if one["Class"].endswith("InteractiveMarkers")]
    assert menu["Interactive Markers Namespace"] == f"{before}/{NAMESPACE}/plan_menu"
    assert topics["MarkerArray"] == [f"{before}/{NAMESPACE}/plan_markers"]
    assert topics["RobotModel"] == [f"{before}/robot_description"]
    assert {view.prompt.capitalize() for view in profile.views} < set(content["Window Geometry"])
    focus = manager["Views"]["Current"]["Focal Point"]
    spaces = [one.arm.workspace for one in profile.arms]
    assert any(low <= focus["Z"] <= high for low, high in ((space.min[2], space.max[2]) for space in spaces))
    links = {link.get("name") for link in ElementTree.parse(profile.urdf_path).getroot().iter("link")}
    frames = [manager["Global Options"]["Fixed Frame"], manager["Views"]["Current"]["Target Frame"]]
    frames += [display["Reference Frame"] for display in manager["Displays"] if "Reference Frame" in display]
    assert len(frames) == 3 and set(frames) <= links


@pytest.mark.parametrize("kind, interface", [("effort", "effort"), ("position", "position")])
def test_our_controllers_are_those_of_the_profile(kind, interface):
    profile = load_profile("franka")
    content = yaml.safe_load((ROOT / f"config/controllers/franka_{kind}.yaml").read_text())
    parameters = content[f"/**/{profile.command.controller}"]["ros__parameters"]
    assert parameters["joints"] == list(profile.arm.joints)
    assert parameters["command_interfaces"] == [interface]
    if interface == "effort":
        assert set(parameters["gains"]) == set(profile.arm.joints)


def test_the_dual_arms_controllers_are_those_of_the_profile():
    profile = load_profile("dual_arm")
    content = yaml.safe_load((ROOT / "config/controllers/dual_arm_position.yaml").read_text())
    manager = content.pop("/**/controller_manager")["ros__parameters"]
    assert manager.pop("update_rate") == 100
    kinds = {name: kind["type"].split("/")[0] for name, kind in manager.items()}
    assert kinds.pop("joint_state_broadcaster") == "joint_state_broadcaster"
    wanted = {one.command.controller: [*one.arm.joints, *one.gripper.joints] for one in profile.arms}
    wanted |= {part.command.controller: list(part.joints) for part in profile.parts}
    assert {name.removeprefix("/**/"): value["ros__parameters"]["joints"] for name, value in content.items()} == wanted
    assert kinds == dict.fromkeys(wanted, "joint_trajectory_controller")
    partial = {name for name, value in content.items() if value["ros__parameters"].get("allow_partial_joints_goal")}
    assert partial == {"/**/head_controller"}, "as the driver has it"
