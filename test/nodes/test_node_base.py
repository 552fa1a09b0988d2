# SPDX-License-Identifier: Apache-2.0
"""What every node can do: hear publishers of any kind without a warning, and notice that time has two sources."""

from functools import partial

import pytest
from nodes_support import a_bench

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.clock_sources import several_clocks
from wall_oss_ros.nodes.lifecycle_node import ERROR, WallOSSNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, SENSOR

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Log
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
bench = pytest.fixture(a_bench)
BEST_EFFORT_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
KINDS = {"reliable": EVENTS, "best effort": SENSOR, "latched": LATCHED, "odd": BEST_EFFORT_LATCHED}


class Listener(WallOSSNode):
    def __init__(self, **options):
        super().__init__("listener", **options)
        self.heard = []

    def start(self):
        self.listen_to_any(String, "button", lambda message: self.heard.append(message.data))


def test_every_kind_of_publisher_is_heard_and_none_is_warned_of(bench):
    logs = bench.listen(Log, "/rosout", EVENTS)
    early = bench.node.create_publisher(String, "button", LATCHED)
    early.publish(String(data="before the node was there"))
    listener = bench.run(Listener())
    bench.until(lambda: "before the node was there" in listener.heard)
    bench.node.destroy_publisher(early)
    for name, qos in KINDS.items():
        publisher = bench.node.create_publisher(String, "button", qos)
        bench.until(partial(publisher.get_subscription_count))  # as `ros2 topic pub --once` waits
        publisher.publish(String(data=name))
        bench.until(partial(listener.heard.__contains__, name))
        bench.node.destroy_publisher(publisher)
    own = listener.get_logger().name  # rclpy warns those whose reliable subscriber would get nothing
    assert not [log for log in logs if "incompatible" in log.msg and log.name == own]

    listener.close()
    assert not [one for one in listener.subscriptions if one.topic_name.endswith("button")]


def test_a_plain_publisher_meets_no_subscription_that_it_does_not_suit(bench):
    """It would be warned, where rclpy is, that its messages do not arrive: alarming for one that stops a robot."""
    listener = bench.run(Listener())
    latching = bench.node.create_publisher(String, "button", LATCHED)

    def durabilities():
        subscriptions = bench.node.get_subscriptions_info_by_topic("button")
        return {one.qos_profile.durability for one in subscriptions}

    bench.until(lambda: DurabilityPolicy.TRANSIENT_LOCAL in durabilities())
    bench.node.destroy_publisher(latching)
    bench.until(lambda: durabilities() == {DurabilityPolicy.VOLATILE})
    assert listener.active


def test_two_sources_of_simulated_time_are_named(bench):
    diagnostics = bench.listen(DiagnosticArray, "/diagnostics", EVENTS)
    logs = bench.listen(Log, "/rosout", EVENTS)
    launches = [rclpy.create_node(name, namespace="/sim") for name in ("first", "second")]
    clocks = [node.create_publisher(Clock, "/clock", SENSOR) for node in launches]
    listener = bench.run(Listener(parameter_overrides=[Parameter("use_sim_time", value=True)]))
    bench.until(lambda: "/sim/first, /sim/second" in listener.clock_sources.fault)

    def said():
        return [one for array in diagnostics for one in array.status if "2 sources" in one.message]

    bench.until(lambda: len(said()) > 2)
    assert {one.level for one in said()} == {ERROR}
    assert len([log for log in logs if "2 sources on /clock: /sim/first, /sim/second" in log.msg]) == 1
    launches[1].destroy_publisher(clocks[1])
    bench.until(lambda: not listener.clock_sources.fault)
    for node in launches:
        node.destroy_node()


@pytest.mark.parametrize(
    ("publishers", "says"),
    [
        ([], ""),
        (["/simulated_robot"], ""),
        (["/simulated_robot", "/simulated_robot"], "2 sources on /clock: /simulated_robot (2 times)"),
        (["/a/gz", "/b/gz", "/a/gz"], "3 sources on /clock: /a/gz (2 times), /b/gz"),
    ],
)
def test_the_sources_of_time_in_words(publishers, says):
    said = several_clocks(publishers)
    assert bool(said) == bool(says) and says in said
