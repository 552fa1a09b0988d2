# SPDX-License-Identifier: Apache-2.0
"""The whole running system, as ``wall-oss run`` starts it, with relays where faults come in."""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from fault_campaign.recorder import Recorder
from fault_campaign.relay import Later, Relay
from wall_oss_ros.bringup.system import NodeSpec, system
from wall_oss_ros.commands.instruction import choose
from wall_oss_ros.commands.processes import Processes
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.registry import task_of

import rclpy
from rclpy.action import ActionClient
from rclpy.executors import MultiThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from wall_oss_msgs.action import ExecuteInstruction
from wall_oss_msgs.msg import ControlStatus, Observation, SubtaskPlan

TRUTH = "/joint_states_true"
MODEL_SIDE = ("model", "planner", "action_expert")
READY = 240.0  # s until a node works, on a busy machine
# Topics between the robot's side and the model's: name, message, quality of service.
TO_MODEL = (("observation", "Observation", NEWEST), ("action_request", "ActionRequest", EVENTS),
            ("status", "ControlStatus", LATCHED))  # fmt: skip
FROM_MODEL = (("plan", "SubtaskPlan", LATCHED), ("action_chunk", "ActionChunk", EVENTS),
              ("model", "ModelInfo", LATCHED))  # fmt: skip
PLAN_RUNS = (SubtaskPlan.AWAITING_APPROVAL, SubtaskPlan.RUNNING)


class Crew(Processes):
    """Processes that can be killed, stalled and started anew."""

    def names(self) -> list[str]:
        return list(self._running)

    def forget(self, name: str) -> None:
        """It has ended and is not missed."""
        del self._running[name]

    def alive(self, name: str) -> bool:
        return self._running[name].poll() is None

    def signal(self, name: str, number: int) -> None:
        os.killpg(self.pid(name), number)

    def kill(self, name: str) -> None:
        self.signal(name, signal.SIGKILL)
        self._running[name].wait()

    def start(self, name: str, module: str, arguments=()) -> None:
        if (self.logs / f"{name}.log").exists():  # it is started anew
            number = len(list(self.logs.glob(f"{name}.log*")))
            (self.logs / f"{name}.log").rename(self.logs / f"{name}.log.{number}")
        super().start(name, module, arguments)


class Stage:
    """A system with one simulated robot, its relays, and what a person can do to it. Use as a context manager.

    Args:
        robot: its profile's name.
        seed: of the scene.
        logs: directory for the processes' output.
        parameters: of nodes, as :func:`system` takes them.
        speed: of the simulation against real time; all times here are simulated ones.

    Attributes:
        recorder: what is seen.
        relays: by topic: ``joint_states``, ``clock``, and those between perception, model and control.
        instruction: one that suits the scene.
    """

    def __init__(self, robot: str, seed: int, logs: Path, parameters: dict | None = None, speed: float = 1.0):
        self.speed = speed
        self.robot, self.profile = robot, load_profile(robot, simulated=True)
        self.instruction, seed = choose(task_of(self.profile), None, seed)
        self.specs = {spec.name: self._wired(spec) for spec in
                      system(robot=robot, sim=True, seed=seed, speed=speed, parameters=parameters)}  # fmt: skip
        logs.mkdir(parents=True, exist_ok=True)
        self.crew = Crew(logs, {**os.environ, "ROS_HOME": str(logs)})  # where control notes a stop
        self._later = Later(speed)
        self._publishers: list = []

    def _wired(self, spec: NodeSpec) -> NodeSpec:
        """With the remappings that let relays in."""
        pairs: list[tuple[str, str]] = []
        if spec.name == "simulated_robot":
            pairs = [(self.profile.joint_states, TRUTH), ("/clock", "/clock_true")]
        elif spec.name == "perception":
            pairs = [("observation", "raw/observation"), ("observation_state", "raw/observation_state")]
        elif spec.name in MODEL_SIDE:
            pairs = [(name, f"far/{name}") for name, *_ in (*TO_MODEL, *FROM_MODEL)]
        return replace(spec, remappings=(*spec.remappings, *pairs))

    def __enter__(self) -> Stage:
        self._later.__enter__()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C ends the campaign
        self.node = node = rclpy.create_node("fault_campaign", namespace="/wall_oss")
        self.recorder = Recorder(node, self.profile, TRUTH, self.now, self.speed)
        relay = lambda *what: Relay(node, *what, self._later)  # noqa: E731
        self.relays = {
            "joint_states": relay(JointState, TRUTH, [self.profile.joint_states], EVENTS),
            "clock": relay(Clock, "/clock_true", ["/clock"], NEWEST),
            "observation": relay(Observation, "raw/observation", ["observation", "far/observation"], NEWEST),
            "observation_state": relay(Observation, "raw/observation_state", ["observation_state"], NEWEST),
        }
        messages = importlib.import_module("wall_oss_msgs.msg")
        for name, kind, qos in TO_MODEL[1:]:
            self.relays[name] = relay(getattr(messages, kind), name, [f"far/{name}"], qos)
        for name, kind, qos in FROM_MODEL:
            self.relays[name] = relay(getattr(messages, kind), f"far/{name}", [name], qos)
        self._goals = ActionClient(node, ExecuteInstruction, "execute")
        self._services = {
            name: node.create_client(Trigger, name) for name in ("stop", "resume", "home", "/simulation/reset")
        }
        self._emergency = node.create_publisher(Bool, "emergency_stop", EVENTS)
        self._instructions = node.create_publisher(String, "instruction", EVENTS)
        self.executor = MultiThreadedExecutor(num_threads=2)
        self.executor.add_node(node)
        self._ending = False
        self._spinning = threading.Thread(target=self._spin, daemon=True)
        self._spinning.start()
        for name in self.specs:
            self.start(name)
        return self

    def __exit__(self, *_exception) -> None:
        self.crew.stop()
        self._ending = True
        self._spinning.join()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown()
        self._later.__exit__()

    def _spin(self) -> None:
        while not self._ending:
            self.executor.spin_once(timeout_sec=0.1)

    # Processes.

    @property
    def model_side(self) -> list[str]:
        """The processes that hold the model."""
        return [name for name in self.specs if name in MODEL_SIDE]

    def start(self, name: str) -> None:
        spec = self.specs[name]
        self.crew.start(spec.name, spec.module, spec.arguments())

    def also(self, name: str, suffix: str, **parameters) -> str:
        """Starts one more process of a node; its name."""
        spec = self.specs[name]
        other = replace(spec, name=spec.name, parameters={**spec.parameters, **parameters})
        self.crew.start(f"{name}_{suffix}", other.module, other.arguments())
        return f"{name}_{suffix}"

    def memory(self) -> dict[str, tuple[int, float]]:
        """Process id and resident memory of its own (MB), by name."""
        found = {}
        for name in self.crew.names():
            if self.crew.alive(name):
                found[name] = self.crew.pid(name), psutil.Process(self.crew.pid(name)).memory_full_info().uss / 1e6
        return found

    # What happens.

    def now(self) -> float:
        """Simulated seconds, by a clock that nothing stops."""
        return time.monotonic() * self.speed

    def wait(self, seconds: float) -> None:
        time.sleep(seconds / self.speed)

    def every(self, period: float, function: Callable[[], None]):
        """A timer, to be destroyed by the node."""
        return self.node.create_timer(period / self.speed, function)

    def until(self, condition: Callable[[], object], limit: float) -> bool:
        """Waits for a condition; False when it did not come true in that time (s)."""
        end = self.now() + limit
        while not condition():
            if self.now() > end:
                return False
            time.sleep(0.02)
        return True

    def ready(self, limit: float = READY) -> None:
        """Returns when every node works.

        Raises:
            WallOSSError: one does not.
        """
        since, seen = self.now(), {name: relay.passed for name, relay in self.relays.items()}

        def works() -> bool:
            passed = {name: relay.passed - seen[name] for name, relay in self.relays.items()}
            return (
                passed["joint_states"] > 0 and passed["observation"] > 0 and passed["plan"] > 0
                and self.recorder.status_at > since and self._goals.server_is_ready()
            )  # fmt: skip

        if not self.until(works, limit):
            dead = [name for name in self.crew.names() if not self.crew.alive(name)]
            raise WallOSSError(
                f"Not all nodes work after {limit:g} s (ended: {dead}).", f"See {self.crew.logs}, by node."
            )

    def call(self, service: str, limit: float = 10.0) -> tuple[bool, str]:
        """Calls a service; whether it was done, and what it said."""
        client = self._services[service]
        if not self.until(client.service_is_ready, limit):
            return False, "there is no such service"
        future = client.call_async(Trigger.Request())
        if not self.until(future.done, limit):
            return False, "no answer"
        return future.result().success, future.result().message

    def emergency(self, pressed: bool) -> None:
        self._emergency.publish(Bool(data=pressed))

    def instruct(self) -> Goal | None:
        """Gives the instruction as a goal of the action; None where it was not taken."""
        sent = self._goals.send_goal_async(ExecuteInstruction.Goal(instruction=self.instruction))
        if not self.until(sent.done, 20.0) or not sent.result().accepted:
            return None
        return Goal(sent.result())

    @property
    def plan_runs(self) -> bool:
        """Whether the plan that everybody sees goes on."""
        plan = self.recorder.plan
        return plan is not None and bool(plan.plan_id) and plan.status in PLAN_RUNS

    @property
    def state(self) -> int:
        """Control's, as in ControlStatus; IDLE where nothing has been heard."""
        status = self.recorder.status
        return ControlStatus.IDLE if status is None else int(status.state)

    def publisher(self, kind: type, topic: str, qos):
        """A publisher of the campaign's own, until :meth:`quiet`."""
        self._publishers.append(self.node.create_publisher(kind, topic, qos))
        return self._publishers[-1]

    def quiet(self) -> None:
        """Takes all faults of messages away."""
        for relay in self.relays.values():
            relay.fault = None
        for publisher in self._publishers:
            self.node.destroy_publisher(publisher)
        self._publishers.clear()


class Goal:
    """A goal of the action, and its end."""

    def __init__(self, handle):
        self._handle, self._result = handle, handle.get_result_async()

    @property
    def over(self) -> bool:
        return self._result.done()

    def cancel(self) -> None:
        self._handle.cancel_goal_async()
