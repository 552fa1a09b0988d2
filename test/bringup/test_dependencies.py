# SPDX-License-Identifier: Apache-2.0
"""What is installed with pip: extras for what only some need, and what works without them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wall_oss_ros.errors import EXTRAS

pytestmark = pytest.mark.slow

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Refuses to import some packages, as if they were not installed, and gives names to all that ROS 2 would bring.
PRELUDE = """
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

BLOCKED, ROS = {blocked!r}, {ros!r}

class Anything(type):
    def __getattr__(cls, name):
        return Thing
    __call__ = lambda cls, *a, **k: type.__call__(cls) if cls is not Thing else Thing
    __or__ = __ror__ = lambda cls, other: cls
    __iter__ = lambda cls: iter(())

class Thing(metaclass=Anything):
    pass

class Module(ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name, (), {{}})

class Finder(MetaPathFinder, Loader):
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in BLOCKED:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return ModuleSpec(name, self, is_package=True) if top in ROS else None
    def create_module(self, spec):
        return Module(spec.name)
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Finder())
"""
ROS = {
    "ament_index_python", "cv_bridge", "message_filters", "rclpy", "sensor_msgs_py", "tf2_py", "tf2_ros",
    "tf_transformations",
}  # fmt: skip


def python(code: str, blocked: set[str], ros: set[str] = frozenset()) -> subprocess.CompletedProcess:
    prelude = PRELUDE.format(blocked=set(blocked), ros=set(ros))
    return subprocess.run([sys.executable, "-c", prelude + code], cwd=ROOT, capture_output=True, text=True, timeout=100)


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w-]+", requirement).group() for requirement in requirements} - {"wall_oss_ros"}


def test_extras_are_known_by_their_modules():
    extras = PROJECT["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        assert set(modules) == names(extras[extra]) - ({"rich"} if extra != "sim" else set())
    assert not names(PROJECT["dependencies"]) & {module for modules in EXTRAS.values() for module in modules}


def test_on_ros_2_the_nodes_need_neither_extra_but_the_models():
    """A robot's computer, with ROS 2 (or names for it): no Cyclone DDS of ours, no MuJoCo, no page, and no model."""
    messages = {path.name for path in ROOT.glob("wall_oss_msgs")} | {
        line.strip(' ",')
        for line in re.findall(r'"\w+_(?:msgs|srvs|interfaces)"', (ROOT / "pyproject.toml").read_text())
    }
    blocked = {module for modules in EXTRAS.values() for module in modules} - {"rclpy"}
    nodes = ("perception", "planner", "action_expert", "model", "control", "plan_markers", "mock_gripper")
    done = python(
        "import importlib\n"
        f"for name in {nodes}: importlib.import_module('wall_oss_ros.nodes.' + name)\n"
        "print('embedded:', [name for name in sys.modules if name.startswith('wall_oss_ros.embedded.')])",
        blocked,
        ROS | messages,
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.rpartition(".")[2] for name in re.findall(r"wall_oss_ros[\w.]+", done.stdout)}
    # Beside what decides, what reads a node's arguments, the same on both; nothing of it touches DDS.
    assert loaded <= {"auto", "arguments", "exceptions", "logging", "naming", "parameter_values"}, done.stdout


@pytest.mark.parametrize(
    "words, package, extra",
    [
        (["run", "--headless"], "mujoco", "sim"),
        (["inspect", "models/wall-oss-tiny"], "torch", "model"),
        (["eval", "--episodes", "1"], "rich", "sim"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(words, package, extra):
    done = python(
        f"from wall_oss_ros.commands.main import main\nsys.exit(main({words}))", {package, "cyclonedds", "transformers"}
    )
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert f"{package} is not installed; it is in the extra {extra}." in line and f"wall_oss_ros[{extra}]" in line
