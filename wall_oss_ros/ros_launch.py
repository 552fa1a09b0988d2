"""What is launched, as actions of ROS 2's launch: between ``launching.py``, which decides, and the launch files."""

from __future__ import annotations

import os
import shutil
import signal
import site
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessStart
from launch.events import Shutdown
from launch.events.process import ProcessExited, ProcessStarted
from launch.substitutions import LaunchConfiguration
from launch.utilities.signal_management import AsyncSafeSignalManager
from launch_ros.actions import Node

from wall_oss_ros.errors import WallOSSError


def _see_virtual_environment() -> None:
    """Has this interpreter find the packages of the active virtual environment before its own.

    ros2 runs on the system's interpreter even where an environment is active; the nodes run on the environment's.
    """
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path(os.environ.get("VIRTUAL_ENV", sys.prefix)) / "lib" / python / "site-packages"
    if packages.is_dir() and str(packages) not in sys.path:
        before = list(sys.path)
        site.addsitedir(str(packages))
        sys.path[:] = [path for path in sys.path if path not in before] + before


_see_virtual_environment()
try:
    from wall_oss_ros import ros_names
    from wall_oss_ros.launching import DEFAULT_ROBOT, PACKAGE, NodeSpec, system
    from wall_oss_ros.robots.profile import RobotProfile, available_profiles, load_profile
    from wall_oss_ros.robots.ur import types as ur_types
except ModuleNotFoundError as error:
    raise WallOSSError(
        f"The Python package {error.name} is not installed for the interpreter that ros2 runs on.",
        "Install the packages that pip brings as docs/ros2.md says.",
    ) from error

ALL = ("simulated_robot", "perception", "planner", "control", "plan_markers")
_BAD_INPUT = 2  # exit status of a node that was started with something the user must put right
_RESPAWN_DELAY = 2.0  # s
_SHORT_LIFE = 10.0  # s: a node that dies sooner would do so again
_SWITCH = ["true", "false"]

# Name: default, description, choices.
_ARGUMENTS: dict[str, tuple[str | LaunchConfiguration, str, list[str] | None]] = {
    "robot": (
        DEFAULT_ROBOT,
        f"Robot profile: {', '.join(available_profiles())} (those in config/robots), or the path of a YAML profile. A variant "
        "follows a colon: ur:ur10e.",
        None,
    ),
    "ur_type": ("", "Which Universal Robots arm, with robot:=ur. Empty: the profile's own choice, ur5e.", ["", *ur_types()]),
    "sim": ("true", "true simulates the robot; false is for a real one, or for its driver's mock hardware.", _SWITCH),
    "namespace": ("", "Put before every name, so that several robots can share a network. Empty: none.", None),
    "controller": ("", "The (first) arm's trajectory controller. Empty: the driver's on this distribution, or else the profile's.", None),
    "seed": ("0", "With sim:=true: which scene, a whole number from 0.", None),
    "model": ("", "A checkpoint: its folder, or its name in models/. Empty: the one that ships for the robot.", None),
    "device": ("cpu", "Torch device of the model, such as cpu, cuda or cuda:1.", None),
    "require_approval": ("false", "Whether every plan waits for the service /wall_oss/approve_plan before the arm moves.", _SWITCH),
    "autostart": ("true", "Whether our nodes configure and activate themselves; false leaves it to a lifecycle manager.", _SWITCH),
    "respawn": ("true", "Whether a node of ours that dies is started again, after 2 s.", _SWITCH),
    "params_file": ("", "A YAML file of ROS parameters; it wins over config/nodes.yaml and over these arguments.", None),
    "log_level": ("info", "Least severe messages that our nodes log.", ["debug", "info", "warn", "error", "fatal"]),
    "rviz": ("true", "Whether rviz is started, with what it shows made from the robot's profile.", _SWITCH),
    "driver": ("true", "With sim:=false: whether the robot's driver is started; false expects it to run.", _SWITCH),
    "driver_file": ("", "With sim:=false: a YAML file that says how the driver is started. Empty: the robot's in config/drivers.", None),
    "driver_arguments": ("", "With sim:=false: more arguments for the driver's launch file, such as 'headless_mode:=true'.", None),
    "robot_ip": ("", "With sim:=false: the robot's address, where it has one.", None),
    "use_mock_hardware": (
        "false",
        "With sim:=false: the driver without a robot; its joints follow every command, and it has no cameras.",
        _SWITCH,
    ),
    "mock_gripper": (
        LaunchConfiguration("use_mock_hardware"),
        "With sim:=false: whether a gripper that only pretends serves the gripper's action. Else as use_mock_hardware.",
        _SWITCH,
    ),
    "description": (
        "",
        "With sim:=true: which description rviz and tf have, our own or the vendor's. Empty: the vendor's, if installed.",
        ["", "own", "vendor"],
    ),
    "camera_frames": (
        "false",
        "With sim:=false: whether the cameras are put into tf where the profile's simulation has them. Only for cameras that "
        "stand there, and whose drivers do not put them into tf.",
        _SWITCH,
    ),
    "record": ("", "A folder that is not there yet, in which ros2 bag records what matters. Empty records nothing.", None),
}


def arguments(*names: str) -> list[DeclareLaunchArgument]:
    """The launch arguments of these names; ``ros2 launch <package> <file> --show-args`` prints them."""
    return [
        DeclareLaunchArgument(name, default_value=default, description=description, choices=choices)
        for name, (default, description, choices) in ((name, _ARGUMENTS[name]) for name in names)
    ]


def nodes(*names: str) -> OpaqueFunction:
    """Starts those nodes of the system that have these names, as the launch arguments say.

    Needs the arguments that ``arguments_of`` gives for them.
    """
    return OpaqueFunction(
        function=lambda context: end_at_sigterm(context) + [a for s in specs(context, names) for a in process(context, s)]
    )


def end_at_sigterm(context: LaunchContext) -> list:
    """Has launch end what it has started at SIGTERM as well, which service managers and containers send. No action.

    launch itself does so at Ctrl-C only; SIGTERM ends it alone, and the robot's processes go on with nobody to mind them.
    """

    def end(_number: int) -> None:
        context.emit_event_sync(Shutdown(reason="ended by SIGTERM"))

    # launch has no other way to its handlers of signals. A version without this one keeps its own ways.
    manager = getattr(AsyncSafeSignalManager, "_AsyncSafeSignalManager__current", None)
    if manager is not None and threading.current_thread() is threading.main_thread():
        manager.handle(signal.SIGTERM, end)
        signal.signal(signal.SIGTERM, lambda *_: None)  # so that the manager hears of it
    return []


def arguments_of(*names: str) -> list[DeclareLaunchArgument]:
    """The launch arguments that these nodes need."""
    own = {"simulated_robot": ["seed"], "planner": ["model", "device", "require_approval"], "control": ["model", "device"]}
    wanted = ["robot", "ur_type", "sim", *dict.fromkeys(argument for name in names for argument in own.get(name, []))]
    return arguments(*wanted, "namespace", "controller", "autostart", "respawn", "params_file", "log_level")


def specs(context: LaunchContext, names: Iterable[str] | None = None) -> list[NodeSpec]:
    """What is launched, by the launch arguments.

    Args:
        context: of the launch, with the arguments' values.
        names: of the nodes that are wanted; None is all. A simulated robot is left out where nothing is simulated.

    Raises:
        WallOSSError: an argument names a robot, checkpoint or file that is not there, or is no number.
    """
    sim = switch(context, "sim")
    names = [name for name in names or ALL if sim or name != "simulated_robot"]
    parameters: dict[str, dict] = {name: {"autostart": switch(context, "autostart")} for name in names}
    for name in {"planner", "control"} & set(names):
        parameters[name]["device"] = value(context, "device")
    if "control" in names and not sim and value(context, "use_mock_hardware", "false").lower() == "true":
        parameters["control"]["watch_program"] = False  # nothing says there that a program runs
    if "planner" in names:
        parameters["planner"]["require_approval"] = switch(context, "require_approval")
    return system(
        robot=robot_name(context),
        sim=sim,
        model=value(context, "model", "") or None,
        seed=_seed(value(context, "seed", "0")),
        parameters=parameters,
        only=names,
    )


def value(context: LaunchContext, name: str, default: str | None = None) -> str:
    """The text that an argument has."""
    return LaunchConfiguration(name, default=default).perform(context)


def switch(context: LaunchContext, name: str) -> bool:
    """Whether an argument is true."""
    return value(context, name).lower() == "true"


def robot_name(context: LaunchContext) -> str:
    """The profile that the arguments robot and ur_type name, as ``load_profile`` takes it."""
    name, kind = value(context, "robot"), value(context, "ur_type", "")
    return f"{name}:{kind}" if kind else name


def robot_profile(context: LaunchContext) -> RobotProfile:
    """The profile that the arguments robot and ur_type name.

    Raises:
        WallOSSError: there is no such profile.
    """
    return load_profile(robot_name(context))


def remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """What becomes of the profile's topics and actions, by the arguments namespace and controller.

    Raises:
        WallOSSError: the namespace is none.
    """
    return ros_names.remappings(robot_profile(context), namespace(context), value(context, "controller", ""))


def namespace(context: LaunchContext) -> str:
    """The argument namespace, without slashes around it."""
    return value(context, "namespace", "").strip("/")


def optional_node(package: str, executable: str, purpose: str, **options) -> list:
    """A node of a package that may be absent; then a line of the log says what is missing and how to get it."""
    if not is_installed(package):
        return [LogInfo(msg=f"Package {package} is not installed: no {purpose}. To have it: {apt(package)}")]
    return [Node(package=package, executable=executable, name=executable, output="screen", **options)]


def is_installed(package: str) -> bool:
    """Whether this ROS 2 has a package."""
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def apt(package: str) -> str:
    """The command that installs a package that ROS distributions carry."""
    return f"sudo apt install ros-$ROS_DISTRO-{package.replace('_', '-')}"


def process(context: LaunchContext, spec: NodeSpec) -> list:
    """One node of ours, respawned as the launch arguments say."""
    files = [*spec.parameter_files]
    extra = value(context, "params_file")
    if extra and not Path(extra).is_file():
        raise WallOSSError(f"There is no parameter file {extra}.", "Check the argument params_file.")
    life = _Life()
    node = Node(
        package=PACKAGE,
        executable=spec.executable,
        exec_name=spec.executable,
        prefix=_prefix(context),
        name=spec.name,
        namespace="/".join(part for part in (namespace(context), spec.namespace) if part),
        parameters=[*map(str, files), dict(spec.parameters), *([extra] if extra else [])],
        remappings=[*spec.remappings, *remappings(context)],
        ros_arguments=["--log-level", value(context, "log_level")],
        output="screen",
        respawn=switch(context, "respawn"),
        respawn_delay=_RESPAWN_DELAY,
        sigterm_timeout="20",  # s: a model that is just thinking takes its time to stop
        on_exit=life.end,
    )
    return [RegisterEventHandler(OnProcessStart(target_action=node, on_start=life.begin)), node]


def _prefix(context: LaunchContext) -> str:
    """Words before a node's command: the user's, such as a debugger; else, on Linux, those that have the kernel end the node
    when launch is gone, even by a kill for want of memory."""
    tool = shutil.which("setpriv") if sys.platform.startswith("linux") else None
    return value(context, "launch-prefix", "") or (f"{tool} --pdeathsig TERM" if tool else "")


class _Life:
    """Knows when a node was last started, and what its death means."""

    def __init__(self):
        self._started = time.monotonic()

    def begin(self, _event: ProcessStarted, _context: LaunchContext) -> None:
        self._started = time.monotonic()

    def end(self, event: ProcessExited, context: LaunchContext) -> None:
        """Ends the launch where a respawned node would only die again; any other death is for launch to respawn.

        Raises:
            WallOSSError: the node refused what it was given, or died at once.
        """
        if context.is_shutdown:
            return
        if event.returncode == _BAD_INPUT:
            raise WallOSSError(f"{event.process_name} refused to start.", "Its line above, after 'error:', says why.")
        lived = time.monotonic() - self._started
        if lived < _SHORT_LIFE:
            raise WallOSSError(
                f"{event.process_name} died after {lived:.0f} s with exit status {event.returncode}.",
                "Its last lines above say why; a missing Python package comes from pip, see docs/ros2.md.",
            )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise WallOSSError(f"The seed is {text!r}.", "Give a whole number from 0.")
    return int(text)
