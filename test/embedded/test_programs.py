# SPDX-License-Identifier: Apache-2.0
"""Programs written for rclpy, run unchanged; and packages of interfaces from folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from embedded_support import DOMAIN, PATIENCE, ROOT

pytestmark = pytest.mark.skipif(
    "rclpy" in sys.modules and not hasattr(sys.modules["rclpy"], "_lock"), reason="ROS 2 is installed"
)


def run(*words: str, folder: Path = ROOT, **environment: str) -> tuple[int, str, str]:
    """Exit status, output and errors of ``python -m wall_oss_ros.embedded words``."""
    done = subprocess.run(
        [sys.executable, "-m", "wall_oss_ros.embedded", *words],
        cwd=folder, capture_output=True, text=True, timeout=2 * PATIENCE,
        env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def last_line(errors: str) -> str:
    return errors.strip().splitlines()[-1]


PROGRAM = """
import sys
import rclpy
import neighbour

def main():
    with rclpy.init():
        print(rclpy.create_node("mine").get_name(), sys.argv[1:], neighbour.name, __name__)

if __name__ == "__main__":
    main()
    sys.exit(3)
"""


def test_a_program_and_a_module_run_as_python_would_run_them(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "neighbour.py").write_text("name = 'next door'")
    expected = "mine ['--fast', '-m'] next door __main__\n"
    status, out, errors = run(str(tmp_path / "program.py"), "--fast", "-m")
    assert (status, out) == (3, expected), errors
    status, out, errors = run("-m", "program", "--fast", "-m", folder=tmp_path)
    assert (status, out) == (3, expected), errors


@pytest.mark.parametrize(
    "program, says",
    [
        ("import launch", "error: launch is not part of the embedded library"),
        ("import math\nimport nothing_of_the_kind", "error: No module named 'nothing_of_the_kind': it is neither"),
        ("from rclpy.node import Nod", "error: cannot import name 'Nod' from 'wall_oss_ros.embedded.node'"),
        ("import rclpy\nrclpy.teleport()", "error: The embedded library does not offer rclpy.teleport"),
        (
            "import rclpy\nfrom std_msgs.msg import String\nrclpy.init()\nnode = rclpy.create_node('n')\n"
            "node.create_subscription(String, 't', print, 1, content_filter_options='x')",
            "error: The embedded library does not offer content_filter_options",
        ),
        (
            "import rclpy\nrclpy.init()\nnode = rclpy.create_node('n')\nassert not hasattr(node, 'handle')\n"
            "node.create_timer(1.0, print).handle",
            "error: The embedded library does not offer Timer.handle",
        ),
        ("import rclpy\nrclpy.init(args=['--ros-args', '-p', 'x'])", "error: -p 'x' is not of the form name:=value."),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_line(tmp_path, program, says):
    (tmp_path / "program.py").write_text(program)
    status, _, errors = run(str(tmp_path / "program.py"))
    assert status == 1 and last_line(errors).startswith(says) and "Traceback" not in errors


def test_a_program_s_own_errors_stay_as_they_are(tmp_path):
    (tmp_path / "program.py").write_text("import rclpy\n{}['key']")
    status, _, errors = run(str(tmp_path / "program.py"))
    assert status == 1 and "Traceback" in errors and last_line(errors) == "KeyError: 'key'"
    assert run(str(tmp_path / "nothing.py"))[2] == f"error: there is no file {tmp_path / 'nothing.py'}.\n"
    assert run()[0] == 2 and run("--help")[0] == 0


def make_packages(folder: Path) -> None:
    """A source package, one as installed, and a bare folder of messages."""
    source = folder / "src/planet_tools"
    for kind in ("msg", "srv", "action"):
        (source / kind).mkdir(parents=True)
    (source / "package.xml").write_text("<package><name>planets</name></package>")
    (source / "msg/Moon.msg").write_text(
        "# one of many\nuint8 FULL=3  # a phase\nstring<=8 name 'Io'\nstd_msgs/Header header\nMoon2[<=2] near\n"
        "int32[3] at\n"
    )
    (source / "msg/Moon2.msg").write_text("float64 r 2.5\nwheels/Wheel wheel\r\n")
    (source / "srv/Land.srv").write_text("Moon moon\n---\nbool ok\n")
    (source / "action/Orbit.action").write_text("int32 turns\n---\nMoon seen\n---\nfloat32 part\n")
    installed = folder / "install/share/wheels"
    for kind in ("msg", "srv"):
        (installed / kind).mkdir(parents=True)
    (installed / "package.xml").write_text("<package><name>wheels</name></package>")
    (installed / "msg/Wheel.msg").write_text("float64 radius")
    (installed / "srv/Turn.srv").write_text("---")
    (installed / "srv/Turn_Request.msg").write_text("")  # as old installations have it, and no message
    (folder / "bare_things").mkdir()
    (folder / "bare_things/Thing.msg").write_text("bool[] flags")
    (folder / "std_msgs/msg").mkdir(parents=True)
    (folder / "std_msgs/msg/Colour.msg").write_text("uint8 red")


USE = """
import importlib.util
from planets.msg import Moon
from planets.srv import Land
from planets.action import Orbit
from wheels.srv import Turn
from bare_things.msg import Thing
from std_msgs.msg import Colour, String
from rclpy.serialization import serialize_message, deserialize_message
moon = Moon(near=[])
moon.at = [1, 2, 3]
assert (moon.name, Moon.FULL) == ("Io", 3) and deserialize_message(serialize_message(moon), Moon) == moon
assert Land.Request().moon == Moon() and Orbit.Result().seen.name == "Io" and not Orbit.Feedback().part
assert Turn.Response() is not None and importlib.util.find_spec("wheels.msg.Turn_Request") is None
print(Moon.get_fields_and_field_types()["near"], Thing.get_fields_and_field_types())
"""


def test_folders_of_interfaces_become_packages(tmp_path):
    make_packages(tmp_path)
    (tmp_path / "use.py").write_text(USE)
    folders = os.pathsep.join(str(tmp_path / each) for each in ("src", "install", "bare_things", "std_msgs"))
    status, out, errors = run(str(tmp_path / "use.py"), WALL_OSS_INTERFACES=folders)
    assert (status, out) == (0, "sequence<planets/Moon2, 2> {'flags': 'sequence<boolean>'}\n"), errors


@pytest.mark.parametrize(
    "broken, says",
    [
        ({"a_msgs/msg/A.msg": b"float63 x"}, "no definition of a_msgs/msg/float63"),
        ({"a_msgs/msg/A.msg": b"float64"}, "A.msg cannot be parsed"),
        ({"a_msgs/msg/A.msg": b"string \xff x"}, "A.msg cannot be read"),
        ({"a_msgs/srv/A.srv": b"bool x", "a_msgs/msg/A.msg": b""}, "A.srv has 1 sections, expected 2"),
        ({"a_msgs/package.xml": b"<package", "a_msgs/msg/A.msg": b""}, "package.xml is not XML"),
        ({"a_msgs/msg/A.msg": b"B b", "a_msgs/msg/B.msg": b"A[] a"}, "a_msgs/msg/A has a_msgs/msg/B has a_msgs/msg/A"),
        ({"a_msgs/msg/A.msg": b"int32 x fast"}, "gives 'x' the default 'fast'"),
        ({"a_msgs/msg/A.msg": b"uint8[] x [1, 300]"}, "gives 'x' the default [1, 300]"),
        ({"a_msgs/msg/A.msg": b"int32 x\nbool x"}, "A.msg has 'x' twice"),
        ({"a_msgs/msg/A.msg": b"wstring x"}, "a field of type wstring"),
        (None, "which is no folder"),
    ],
)  # fmt: skip
def test_broken_folders_are_one_line(tmp_path, broken, says):
    for name, content in (broken or {}).items():
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).write_bytes(content)
    (tmp_path / "use.py").write_text("import a_msgs.msg\na_msgs.msg.A()")
    status, _, errors = run(str(tmp_path / "use.py"), WALL_OSS_INTERFACES=str(tmp_path / "all"))
    assert status == 1 and says in last_line(errors), errors
    assert "Traceback" not in errors


def test_example_interfaces_and_the_services_of_common_interfaces_are_there(tmp_path):
    (tmp_path / "use.py").write_text(
        "from example_interfaces.srv import AddTwoInts\nfrom example_interfaces.action import Fibonacci\n"
        "from example_interfaces.msg import Int64MultiArray\nfrom nav_msgs.srv import GetMap, LoadMap\n"
        "from diagnostic_msgs.srv import SelfTest\nfrom visualization_msgs.srv import GetInteractiveMarkers\n"
        "from tf2_msgs.action import LookupTransform\n"
        "print(AddTwoInts.Response(sum=3), LoadMap.Response.RESULT_SUCCESS)\n"
    )
    status, out, errors = run(str(tmp_path / "use.py"))
    assert (status, out) == (0, "example_interfaces.srv.AddTwoInts_Response(sum=3) 0\n"), errors
