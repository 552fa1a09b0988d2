# SPDX-License-Identifier: Apache-2.0
"""Topics: within a process, between two, latched, named and remapped."""

import time

import pytest
from embedded_support import PATIENCE, Child, context, executor, make_node, spin_until  # noqa: F401

from wall_oss_ros.embedded import dds
from wall_oss_ros.embedded.arguments import parse
from wall_oss_ros.embedded.event_handler import SubscriptionEventCallbacks
from wall_oss_ros.embedded.exceptions import (
    InvalidNodeNameException,
    InvalidTopicNameException,
    NotInitializedException,
    NoTypeSupportImportedException,
)
from wall_oss_ros.embedded.interfaces import get_message, register_message
from wall_oss_ros.embedded.node import Node
from wall_oss_ros.embedded.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from wall_oss_ros.errors import WallOSSError

String = get_message("std_msgs/msg/String")
Image = get_message("sensor_msgs/msg/Image")
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_messages_arrive_in_order_and_unchanged(make_node, executor):
    sender, receiver = make_node("sender"), make_node("receiver")
    got = []
    receiver.create_subscription(String, "chat", got.append, 10)
    publisher = sender.create_publisher(String, "chat", 10)
    assert spin_until(executor, lambda: publisher.get_subscription_count() == 1)
    for index in range(5):
        publisher.publish(String(data=f"{index} ä"))
    assert spin_until(executor, lambda: len(got) == 5)
    assert [message.data for message in got] == [f"{index} ä" for index in range(5)]


def test_a_type_is_described_once_for_all_its_topics(monkeypatch, make_node, executor):
    register_message("mine_msgs", "Described", "geometry_msgs/Pose[] poses\nint32 number")
    Described, made, got = get_message("mine_msgs/msg/Described"), [], []
    describe = dds.Topic
    monkeypatch.setattr(dds, "Topic", lambda *given: made.append(given[1]) or describe(*given))
    node = make_node("node")
    made.clear()
    for name in ("a", "b", "c"):
        node.create_subscription(Described, name, got.append, LATCHED)
        node.create_publisher(Described, name, LATCHED).publish(Described(number=len(made)))
    assert spin_until(executor, lambda: len(got) == 3) and made == ["rt/a"]
    assert all(message == Described(number=1) for message in got)


def test_two_processes_exchange_images(make_node, executor):
    code = """
        import wall_oss_ros.embedded.auto, rclpy
        from sensor_msgs.msg import Image
        from rclpy.qos import qos_profile_sensor_data
        rclpy.init()
        node = rclpy.create_node("mirror")
        back = node.create_publisher(Image, "back", qos_profile_sensor_data)
        def turn(message):
            message.data.reverse()
            back.publish(message)
        node.create_subscription(Image, "there", turn, qos_profile_sensor_data)
        print("ready")
        try:
            rclpy.spin(node)
        except rclpy.ExternalShutdownException:
            pass
        print("stopped")
    """
    node, got = make_node("camera"), []
    node.create_subscription(Image, "back", got.append, qos_profile_sensor_data)
    publisher = node.create_publisher(Image, "there", qos_profile_sensor_data)
    data = bytes(range(256)) * 3600  # 640 x 480 x 3
    with Child(code) as child:
        assert child.line() == "ready"
        image = Image(height=480, width=640, encoding="rgb8", step=1920, data=data)
        image.header.frame_id = "camera"
        node.create_timer(0.1, lambda: publisher.publish(image))  # best effort: until one has gone both ways
        assert spin_until(executor, lambda: got)
        assert got[0].data.tobytes() == data[::-1] and got[0].header.frame_id == "camera"
        child.process.terminate()
        status, out, _ = child.finish()
        assert (status, out) == (0, "stopped\n")


def test_a_latched_message_reaches_a_late_subscription_but_not_a_volatile_one(make_node, executor):
    make_node("early").create_publisher(String, "plan", LATCHED).publish(String(data="kept"))
    late, volatile, other = make_node("late"), [], []
    late.create_subscription(String, "plan", volatile.append, 10)
    late.create_subscription(String, "plan", other.append, LATCHED)
    assert spin_until(executor, lambda: other)
    assert other[0].data == "kept" and not volatile


def test_best_effort_publisher_does_not_match_a_reliable_subscription(make_node, executor):
    node = make_node("node")
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(String, "a", best_effort)
    node.create_subscription(String, "a", lambda _: None, 10)
    matching = node.create_subscription(String, "a", lambda _: None, best_effort)
    assert spin_until(executor, lambda: publisher.get_subscription_count() > 0)
    assert publisher.get_subscription_count() == matching.get_publisher_count() == 1


def test_callback_may_ask_for_message_information_or_raw_bytes(make_node, executor):
    node, infos, raw = make_node("node"), [], []
    node.create_subscription(String, "a", lambda message, info: infos.append(info), LATCHED)
    node.create_subscription(String, "a", raw.append, LATCHED, raw=True)
    node.create_publisher(String, "a", LATCHED).publish(String(data="x"))
    published = time.time_ns()
    assert spin_until(executor, lambda: infos and raw)
    assert 0 < infos[0]["source_timestamp"] <= published  # it waited for the executor meanwhile
    assert published <= infos[0]["received_timestamp"] <= time.time_ns()
    assert infos[0]["publication_sequence_number"] is infos[0]["reception_sequence_number"] is None
    assert raw[0][:4] == b"\x00\x01\x00\x00"


def test_wrong_arguments_are_refused(make_node):
    node = make_node("node")
    with pytest.raises(TypeError):
        node.create_publisher(String, "a", 10).publish("text")
    with pytest.raises(NoTypeSupportImportedException):
        node.create_publisher(str, "a", 10)
    with pytest.raises(
        InvalidTopicNameException, match=r"^Invalid topic name: each part must be letters[^(]*'1/bad name'"
    ):
        node.create_publisher(String, "1/bad name", 10)
    with pytest.raises(InvalidNodeNameException):
        make_node("bad name")
    with pytest.raises(WallOSSError, match="type"):
        node.create_publisher(Image, "a", 10)
    with pytest.raises(TypeError, match="event_callbacks"):
        node.create_subscription(String, "a", print, 10, event_callbacks=object())
    with pytest.raises(TypeError, match="unexpected"):
        SubscriptionEventCallbacks(weather=print)
    node.create_subscription(String, "a", print, 10, event_callbacks=SubscriptionEventCallbacks(deadline=None))
    with pytest.raises(RuntimeError, match="callback"):
        node.create_subscription(String, "a", lambda: None, 10)


def test_a_node_needs_a_running_context():
    from wall_oss_ros.embedded.context import Context

    with pytest.raises(NotInitializedException):
        Node("node", context=Context())


def test_names_follow_namespace_and_remapping(context, make_node):
    context.arguments = parse("x --ros-args -r __ns:=/robot -r image:=/camera/image -r other:chat:=talk".split())
    node = Node("eye", context=context)
    assert node.get_fully_qualified_name() == "/robot/eye"
    assert node.create_publisher(Image, "image", 1).topic_name == "/camera/image"
    assert node.resolve_topic_name("~/debug") == "/robot/eye/debug"
    assert node.resolve_topic_name("chat") == "/robot/chat"
    context.arguments = parse("x --ros-args -r __node:=nose".split())
    assert Node("eye", context=context).get_name() == "nose"


def test_destroyed_things_are_silent_and_leave_the_graph(make_node, executor):
    node, other, got = make_node("node"), make_node("other"), []
    subscription = node.create_subscription(String, "a", got.append, 10)
    publisher = other.create_publisher(String, "a", 10)
    assert spin_until(executor, lambda: publisher.get_subscription_count() == 1)
    assert node.destroy_subscription(subscription) and not node.destroy_subscription(subscription)
    assert spin_until(executor, lambda: publisher.get_subscription_count() == 0)
    publisher.publish(String())
    node.destroy_node()
    assert spin_until(executor, lambda: other.get_node_names() == ["other"])
    assert not got


def test_the_graph_shows_nodes_topics_and_services_of_other_processes(make_node, executor):
    code = """
        import wall_oss_ros.embedded.auto, rclpy
        from std_msgs.msg import String
        rclpy.init()
        node = rclpy.create_node("far", namespace="/away")
        node.create_publisher(String, "chat", 10)
        print("ready")
        try:
            rclpy.spin(node)
        except rclpy.ExternalShutdownException:
            pass
    """
    node = make_node("near")
    with Child(code) as child:
        child.line()
        assert spin_until(executor, lambda: ("far", "/away") in node.get_node_names_and_namespaces())
        assert spin_until(executor, lambda: ("/away/chat", ["std_msgs/msg/String"]) in node.get_topic_names_and_types())
        services = dict(node.get_service_names_and_types())
        assert services["/away/far/get_parameters"] == ["rcl_interfaces/srv/GetParameters"]
        publisher = node.get_publishers_info_by_topic("/away/chat")[0]
        assert (publisher.node_name, publisher.node_namespace) == ("far", "/away")
        assert publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        child.process.terminate()
        assert child.finish()[0] == 0
    assert spin_until(executor, lambda: "far" not in node.get_node_names(), PATIENCE)
