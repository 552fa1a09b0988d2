# SPDX-License-Identifier: Apache-2.0
"""Quality of service at work: deadlines, lifespans, liveliness, history; and what publishers and subscriptions hear."""

import io
import sys
import threading
import time

import pytest
from embedded_support import PATIENCE, Child, context, executor, make_node, spin_until  # noqa: F401

from wall_oss_ros.embedded.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from wall_oss_ros.embedded.exceptions import UnsupportedEventTypeError
from wall_oss_ros.embedded.interfaces import get_message
from wall_oss_ros.embedded.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from wall_oss_ros.embedded.time import Duration

pytestmark = pytest.mark.slow

String = get_message("std_msgs/msg/String")
SHORT = Duration(nanoseconds=50_000_000)


def connected(executor, publisher, subscription=None) -> bool:
    return spin_until(
        executor,
        lambda: publisher.get_subscription_count() and (subscription is None or subscription.get_publisher_count()),
    )


def test_a_missed_deadline_is_told_to_both_ends(make_node, executor):
    node, missed = make_node("node"), {"offered": [], "requested": []}
    profile = QoSProfile(depth=1, deadline=SHORT)
    offered = PublisherEventCallbacks(deadline=missed["offered"].append)
    requested = SubscriptionEventCallbacks(deadline=missed["requested"].append)
    publisher = node.create_publisher(String, "a", profile, event_callbacks=offered)
    subscription = node.create_subscription(String, "a", lambda _: None, profile, event_callbacks=requested)
    assert connected(executor, publisher, subscription)
    publisher.publish(String())
    assert spin_until(executor, lambda: all(missed.values()))
    for told in missed.values():
        assert told[-1].total_count >= told[-1].total_count_change > 0


def test_a_lifespan_ends_what_was_not_taken_in_time(make_node, executor):
    node, heard = make_node("node"), []
    latched = {"depth": 9, "durability": DurabilityPolicy.TRANSIENT_LOCAL}
    for name, options in (("short", {"lifespan": SHORT}), ("long", {})):
        node.create_publisher(String, name, QoSProfile(**latched, **options)).publish(String(data=name))
    published = time.monotonic()
    while time.monotonic() - published < 2 * SHORT.nanoseconds / 1e9:
        threading.Event().wait(0.01)  # nobody tells when a lifespan is over
    for name in ("short", "long"):
        node.create_subscription(String, name, lambda message: heard.append(message.data), QoSProfile(**latched))
    assert spin_until(executor, lambda: heard)
    node.create_publisher(String, "short", QoSProfile(**latched)).publish(String(data="after"))
    assert spin_until(executor, lambda: len(heard) == 2) and heard == ["long", "after"]


def test_liveliness_by_topic_is_lost_without_a_word_and_comes_back_with_one(make_node, executor):
    node, lost, changed = make_node("node"), [], []
    lease = Duration(seconds=0.3)
    profile = QoSProfile(depth=1, liveliness=LivelinessPolicy.MANUAL_BY_TOPIC, liveliness_lease_duration=lease)
    publisher = node.create_publisher(
        String, "a", profile, event_callbacks=PublisherEventCallbacks(liveliness=lost.append)
    )
    events = SubscriptionEventCallbacks(liveliness=changed.append)
    subscription = node.create_subscription(String, "a", lambda _: None, profile, event_callbacks=events)
    assert connected(executor, publisher, subscription)
    assert spin_until(executor, lambda: publisher.assert_liveliness() or any(told.alive_count for told in changed))
    assert spin_until(executor, lambda: lost and changed[-1].not_alive_count == 1 and not changed[-1].alive_count)
    del changed[:]
    # Within a process, DDS takes the next message for it, as with ROS 2 on Cyclone.
    assert spin_until(executor, lambda: publisher.publish(String()) or any(told.alive_count for told in changed))


def test_automatic_liveliness_is_lost_with_the_process(make_node, executor):
    code = """
        import wall_oss_ros.embedded.auto, rclpy
        from rclpy.duration import Duration
        from rclpy.qos import LivelinessPolicy, QoSProfile
        from std_msgs.msg import String
        rclpy.init()
        node = rclpy.create_node("short_lived")
        lease = Duration(seconds=0.5)
        node.create_publisher(
            String, "a", QoSProfile(depth=1, liveliness=LivelinessPolicy.AUTOMATIC, liveliness_lease_duration=lease)
        )
        rclpy.spin(node)
    """
    changed, node = [], make_node("node")
    profile = QoSProfile(
        depth=1, liveliness=LivelinessPolicy.AUTOMATIC, liveliness_lease_duration=Duration(seconds=0.5)
    )
    events = SubscriptionEventCallbacks(liveliness=changed.append)
    node.create_subscription(String, "a", print, profile, event_callbacks=events)
    with Child(code) as child:
        assert spin_until(executor, lambda: changed and changed[-1].alive_count == 1)
        child.process.kill()
        assert spin_until(executor, lambda: changed[-1].alive_count == 0)


def test_incompatible_ends_are_told_and_warned_of(make_node, executor, monkeypatch):
    node, offered, requested = make_node("node"), [], []
    careless = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_publisher(
        String, "a", careless, event_callbacks=PublisherEventCallbacks(incompatible_qos=offered.append)
    )
    node.create_subscription(
        String, "a", print, 1, event_callbacks=SubscriptionEventCallbacks(incompatible_qos=requested.append)
    )
    assert spin_until(executor, lambda: offered and requested)
    assert offered[0].last_policy_kind == requested[0].last_policy_kind == QoSPolicyKind.RELIABILITY
    node.create_publisher(String, "b", QoSProfile(depth=1), event_callbacks=PublisherEventCallbacks())
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    seen = io.StringIO()  # capfd may lose what another thread writes while it is read
    monkeypatch.setattr(sys, "stderr", seen)
    node.create_subscription(String, "b", print, latched)
    said = "requesting incompatible QoS. No messages will be sent to it. Last incompatible policy: DURABILITY"
    assert spin_until(executor, lambda: said in seen.getvalue())


def test_who_gives_no_callbacks_is_warned_too(make_node, executor, monkeypatch):
    seen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", seen)
    node, latched = make_node("node"), QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    silent = PublisherEventCallbacks(use_default_callbacks=False)
    publishers = [node.create_publisher(String, "a", 1), node.create_publisher(String, "b", 1, event_callbacks=silent)]
    for topic in ("a", "b"):
        node.create_subscription(String, topic, print, latched)
    wanted = (
        "New subscription discovered on topic '/a', requesting incompatible QoS. No messages will be sent to it.",
        "New publisher discovered on topic '/a', offering incompatible QoS. No messages will be received from it.",
        "New publisher discovered on topic '/b', offering incompatible QoS.",
    )

    def all_said():
        return all(text in seen.getvalue() for text in wanted)

    assert spin_until(executor, all_said)
    for publisher in publishers:  # those who wait for events let them go
        publisher.destroy()
    assert "New subscription discovered on topic '/b'" not in seen.getvalue(), "it asked for no warnings"


def test_matches_come_and_go(make_node, executor):
    node, of_publisher, of_subscription = make_node("node"), [], []
    publisher = node.create_publisher(
        String, "a", 1, event_callbacks=PublisherEventCallbacks(matched=of_publisher.append)
    )
    events = SubscriptionEventCallbacks(matched=of_subscription.append)
    subscription = node.create_subscription(String, "a", print, 1, event_callbacks=events)
    assert spin_until(executor, lambda: of_publisher and of_subscription)
    told = of_publisher[0]
    assert (told.total_count, told.current_count, told.current_count_change) == (1, 1, 1)
    assert [handler.callback for handler in subscription.event_handlers][-1] == of_subscription.append
    handlers = len(list(node.waitables))
    node.destroy_subscription(subscription)
    assert spin_until(executor, lambda: len(of_publisher) == 2) and len(list(node.waitables)) == handlers - 2
    assert (of_publisher[1].total_count, of_publisher[1].current_count, of_publisher[1].current_count_change) == (
        1,
        0,
        -1,
    )
    node.destroy_publisher(publisher)
    assert not list(node.waitables)


def test_events_that_are_not_there_are_refused(make_node):
    node = make_node("node")
    with pytest.raises(UnsupportedEventTypeError, match="incompatible types"):
        node.create_publisher(String, "a", 1, event_callbacks=PublisherEventCallbacks(incompatible_type=print))
    with pytest.raises(TypeError, match="'message_lost'"):
        PublisherEventCallbacks(message_lost=print)
    with pytest.raises(TypeError, match="PublisherEventCallbacks"):
        node.create_publisher(String, "a", 1, event_callbacks=SubscriptionEventCallbacks())


def test_keep_all_keeps_all_and_keep_last_the_last(make_node, executor):
    node, heard = make_node("node"), {"all": [], "last": []}
    everything = QoSProfile(history=HistoryPolicy.KEEP_ALL)
    publisher = node.create_publisher(String, "a", everything)
    ends = [
        node.create_subscription(String, "a", heard[name].append, profile)
        for name, profile in (("all", everything), ("last", QoSProfile(depth=3)))
    ]
    assert spin_until(
        executor, lambda: publisher.get_subscription_count() == 2 and all(e.get_publisher_count() for e in ends)
    )
    for number in range(500):
        publisher.publish(String(data=str(number)))
    assert publisher.wait_for_all_acked(Duration(seconds=PATIENCE))
    assert spin_until(executor, lambda: len(heard["all"]) == 500)
    assert [message.data for message in heard["last"]] == ["497", "498", "499"]


@pytest.mark.parametrize(
    "publisher, subscription, expected, reason",
    [
        ({}, {}, QoSCompatibility.WARNING, "WARNING: Publisher liveliness is system_default and subscription"),
        ({"reliability": 2}, {}, QoSCompatibility.ERROR, "ERROR: Best effort publisher and reliable subscription;"),
        ({}, {"durability": 1}, QoSCompatibility.ERROR, "ERROR: Volatile publisher and transient local subscription;"),
        ({}, {"deadline": SHORT}, QoSCompatibility.ERROR, "ERROR: Subscription has a deadline, but publisher does not"),
        ({"liveliness": 3, "durability": 1}, {"liveliness": 1, "reliability": 2}, QoSCompatibility.OK, ""),
    ],
)  # fmt: skip
def test_compatibility_is_known_beforehand(publisher, subscription, expected, reason):
    answer, why = qos_check_compatible(QoSProfile(depth=1, **publisher), QoSProfile(depth=1, **subscription))
    assert answer is expected and (why.startswith(reason) if reason else not why)
