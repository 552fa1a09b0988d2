# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node that all nodes of the project derive from."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.clock_sources import ClockSources
from wall_oss_ros.nodes.conversions import to_stamp
from wall_oss_ros.nodes.parameters import Parameter, declare
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, SENSOR, without_warnings
from wall_oss_ros.robots.profile import RobotProfile

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import JointState

_LOOK = 0.5  # s between two looks whether a publisher latches
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

COMMON_PARAMETERS = (
    Parameter("autostart", True, "Configure and activate as soon as the node runs; false leaves that to a manager."),
    Parameter("robot", "franka", "Name of the robot profile in config/robots, or a path to one."),
)


def _full_name(namespace: str, name: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"


def _with_names(hook: Callable[[], None]) -> None:
    """Calls a hook. Raises WallOSSError where a topic or service that it names cannot be."""
    try:
        hook()
    except NameValidationException as error:
        said = " ".join(str(error).replace("^", "").split())
        raise WallOSSError(f"{said}.", "Correct the name in the robot's profile, or the remapping.") from error


def run_identity(node) -> str:
    """An id of this run of a node: its name, and what no other run has."""
    return f"{node.get_fully_qualified_name()}#{uuid.uuid4().hex[:8]}"


class WallOSSNode(LifecycleNode):
    """A managed node with declared parameters, diagnostics, and entities that live as long as a lifecycle state.

    Subclasses override the hooks ``setup`` (configure), ``start`` (activate), ``stop`` (deactivate), ``teardown``
    (clean up) and ``diagnose``. What they create with ``publish_to``, ``listen``, ``every``, ``serve`` and ``keep`` in
    ``setup`` is destroyed after ``teardown``, and what they create in ``start``, after ``stop``.

    Raises:
        WallOSSError: a parameter has a value that is not permitted.
    """

    PARAMETERS: tuple[Parameter, ...] = ()

    def __init__(self, name: str, namespace: str = "wall_oss", **options):
        super().__init__(name, namespace=namespace, **options)
        declare(self, (*COMMON_PARAMETERS, *self.PARAMETERS))
        self.failure: WallOSSError | None = None  # why the last configure or activate failed
        self.active = False
        self._configured = False
        self._kept: dict[str, list[Callable[[], None]]] = {"setup": [], "start": []}
        self._phase = "setup"
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.clock_sources = ClockSources(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Steady time, since a stopped simulation clock must not silence the diagnostics.
        self._diagnostics_timer = self.create_timer(1.0, self._report, clock=self._steady)

    # To be overridden.

    def setup(self) -> None:
        """Loads what the node needs. Raises WallOSSError when it cannot."""

    def start(self) -> None:
        """Starts working."""

    def stop(self) -> None:
        """Stops working."""

    def last_words(self) -> bool:
        """Called again and again once the process is to end, while its executor still runs (``run``'s ``last_words``).

        Returns:
            Whether there is more to say, for which it will be given a little time.
        """
        return False

    def teardown(self) -> None:
        """Releases what ``setup`` loaded."""

    def diagnose(self) -> tuple[bytes, str, dict[str, object]]:
        """Level (OK, WARN or ERROR), one line, and values worth watching."""
        return OK, "running", {}

    # For subclasses to use.

    def value(self, name: str):
        """The current value of a parameter."""
        return self.get_parameter(name).value

    def now(self) -> float:
        """The node's time, s: simulated time where that is in use."""
        return self.get_clock().now().nanoseconds * 1e-9

    def steady(self) -> float:
        """A time in s that never stops or jumps, for watchdogs."""
        return self._steady.now().nanoseconds * 1e-9

    def publishers_of(self, topic: str) -> list[str]:
        """The full names of the nodes that publish on a topic, one for each publisher."""
        name = self.resolve_topic_name(topic)
        return [_full_name(info.node_namespace, info.node_name) for info in self.get_publishers_info_by_topic(name)]

    def publish_to(self, message_type, topic: str, qos):
        return self._keep(self.create_publisher(message_type, topic, qos), self.destroy_publisher)

    def listen(self, message_type, topic: str, callback, qos, **options):
        return self._keep(
            self.create_subscription(message_type, topic, callback, qos, **options), self.destroy_subscription
        )

    def listen_to_any(self, message_type, topic: str, callback) -> None:
        """Subscribes so as to hear every publisher, whatever its quality of service, and latched ones late, too.

        A message may come several times: by a subscription that loses nothing, by one that takes what best effort
        brings, and by one that is given what was latched. The last is there while a publisher latches: it would have
        any other publisher warn that its messages do not reach it.
        """
        options = {"event_callbacks": without_warnings()}
        for qos in (EVENTS, SENSOR):
            subscription = self.listen(message_type, topic, callback, qos, **options)
        latched: list = []

        def look() -> None:
            publishers = self.get_publishers_info_by_topic(subscription.topic_name)
            latches = any(one.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for one in publishers)
            if latches and not latched:
                latched.append(self.create_subscription(message_type, topic, callback, LATCHED, **options))
            elif latched and not latches:
                self.destroy_subscription(latched.pop())

        self.keep(latched, lambda subscriptions: [self.destroy_subscription(one) for one in subscriptions])
        self.every(_LOOK, look)
        look()

    def listen_to_joints(self, profile: RobotProfile, callback: Callable[[JointState], None]) -> None:
        """Subscribes to all topics of the robot's joint states.

        ``callback`` gets them with the joint names of the profile and the URDF, whatever the driver calls the joints.
        """

        def renamed(prefix: str, message: JointState) -> None:
            message.name = [prefix + name for name in message.name]
            callback(message)

        for topic, prefix in profile.joint_sources.items():
            self.listen(JointState, topic, partial(renamed, prefix) if prefix else callback, SENSOR)

    def every(self, period: float, callback, ros_time: bool = False, **options):
        """A timer with ``period`` in s, of the steady clock or of the node's own, which a simulation may stop."""
        clock = self.get_clock() if ros_time else self._steady
        timer = self.create_timer(period, callback, clock=clock, **options)
        return self._keep(timer, self.destroy_timer)

    def serve(self, service_type, name: str, callback, **options):
        return self._keep(self.create_service(service_type, name, callback, **options), self.destroy_service)

    def keep(self, entity, destroy=lambda entity: entity.destroy()):
        """Has ``destroy`` called with the other entities of this state: for action servers and clients, and for tf."""
        return self._keep(entity, destroy)

    def send(self, publisher, message) -> None:
        """Publishes, except while the process ends: Ctrl-C closes publishers at any moment from another thread."""
        try:
            publisher.publish(message)
        except Exception:
            if self.context.ok():
                raise

    def _report(self) -> None:
        self.clock_sources.look()
        self.publish_diagnostics()

    def tell(self, told: list[str]) -> None:
        """Logs what a person should know, and empties the list."""
        while told:
            self.get_logger().warning(told.pop(0))

    def publish_diagnostics(self) -> None:
        """Publishes what ``diagnose`` says: every second, and whenever a node calls this."""
        if self.active:
            level, message, values = self.diagnose()
        elif self.failure is not None:
            level, message, values = ERROR, str(self.failure), {}
        else:
            level, message, values = WARN, "not active", {}
        if self.clock_sources.fault:
            level, message = ERROR, f"{self.clock_sources.fault}; {message}"
        status = DiagnosticStatus(level=level, message=message, hardware_id=self.value("robot"))
        status.name = self.get_fully_qualified_name().lstrip("/")
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = to_stamp(self.now())
        self._diagnostics.publish(array)

    # Lifecycle.

    def on_configure(self, state) -> TransitionCallbackReturn:
        return self._attempt("setup", self.setup, then=super().on_configure, state=state)

    def on_activate(self, state) -> TransitionCallbackReturn:
        return self._attempt("start", self.start, then=super().on_activate, state=state)

    def on_deactivate(self, state) -> TransitionCallbackReturn:
        self._deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state) -> TransitionCallbackReturn:
        self._clean_up()
        return super().on_cleanup(state)

    def on_shutdown(self, state) -> TransitionCallbackReturn:
        self.close()
        return super().on_shutdown(state)

    def close(self) -> None:
        """Stops and releases everything, whatever state the node is in."""
        self._deactivate()
        self._clean_up()

    def autostart(self) -> None:
        """Configures and activates the node if its parameter says so.

        Raises:
            WallOSSError: either failed.
        """
        if not self.value("autostart"):
            return
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise self.failure or WallOSSError(f"Node {self.get_name()} did not start.", "Its log says why.")

    def _attempt(self, phase: str, hook, then, state) -> TransitionCallbackReturn:
        self._phase = phase
        self.failure = None
        try:
            _with_names(hook)
        except WallOSSError as error:
            self.failure = error
            if not self.value("autostart"):  # otherwise it ends the process with this as its last line
                self.get_logger().error(str(error))
            self._release(phase)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would swallow it without a word
            if self.context.ok():
                self.get_logger().fatal(f"{type(error).__name__} in {phase}: {error}")
            self._release(phase)
            raise
        if phase == "start":
            self.active = True
        else:
            self._configured = True
        return then(state)

    def _deactivate(self) -> None:
        if self.active:
            self.active = False
            self.stop()
            self._release("start")

    def _clean_up(self) -> None:
        if self._configured:
            self._configured = False
            self.teardown()
            self._release("setup")

    def _keep(self, entity, destroy):
        self._kept[self._phase].append(lambda: destroy(entity))
        return entity

    def _release(self, phase: str) -> None:
        kept, self._kept[phase] = self._kept[phase], []
        for destroy in reversed(kept):
            destroy()
