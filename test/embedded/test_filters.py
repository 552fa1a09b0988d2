# SPDX-License-Identifier: Apache-2.0
"""message_filters: what goes together, and what waits. Where ROS 2 is installed these are tests of its own."""

import pytest
from nodes_support import spin_until

from geometry_msgs.msg import PointStamped
from rclpy.time import Time
from std_msgs.msg import String

message_filters = pytest.importorskip("message_filters")


def stamped(seconds, x=0.0):
    message = PointStamped()
    message.header.stamp = Time(seconds=seconds).to_msg()
    message.point.x = float(x)
    return message


def seconds(message):
    return Time.from_msg(message.header.stamp).nanoseconds / 1e9


class Synchronised:
    """Two sources, what is made of them, and what came out as pairs of stamps."""

    def __init__(self, kind, *arguments):
        self.left, self.right, self.pairs = message_filters.SimpleFilter(), message_filters.SimpleFilter(), []
        self.filter = kind([self.left, self.right], *arguments)
        self.filter.registerCallback(lambda *messages: self.pairs.append(tuple(map(seconds, messages))))

    def put(self, **stamps):
        for side, stamp in stamps.items():
            getattr(self, side).signalMessage(stamped(stamp))


def test_callbacks_get_their_own_arguments_too():
    source, got = message_filters.SimpleFilter(), []
    source.registerCallback(lambda *values: got.append(values), "mine", 2)
    source.signalMessage("message")
    assert got == [("message", "mine", 2)]


def test_equal_stamps_go_together():
    both = Synchronised(message_filters.TimeSynchronizer, 2)
    both.put(left=1, right=2)
    assert both.pairs == []
    both.put(left=2)
    assert both.pairs == [(2, 2)]
    both.put(right=1)  # what is older may still come
    assert both.pairs == [(2, 2), (1, 1)]
    both.put(right=1)  # each goes once
    assert len(both.pairs) == 2


def test_the_oldest_give_way_in_a_full_queue():
    both = Synchronised(message_filters.TimeSynchronizer, 2)
    for stamp in (1, 2, 3):
        both.put(left=stamp)
    for stamp in (1, 2, 3):
        both.put(right=stamp)
    assert both.pairs == [(2, 2), (3, 3)]


def test_close_stamps_go_together_with_the_nearest():
    both = Synchronised(message_filters.ApproximateTimeSynchronizer, 10, 0.25)
    both.put(left=1.0)
    both.put(left=1.125)
    both.put(right=1.5)  # too far from both
    assert both.pairs == []
    both.put(right=1.1875)
    assert both.pairs == [(1.125, 1.1875)]
    both.put(right=1.0625)
    assert both.pairs == [(1.125, 1.1875), (1.0, 1.0625)]
    both.put(left=1.75)  # exactly the slop is too much
    assert len(both.pairs) == 2


def test_messages_without_a_header_count_only_where_that_is_allowed():
    for allowed in (False, True):
        source, got = message_filters.SimpleFilter(), []
        strict = message_filters.ApproximateTimeSynchronizer([source], 1, 1.0, allow_headerless=allowed)
        strict.registerCallback(got.append)
        source.signalMessage(String(data="now"))
        assert [message.data for message in got] == (["now"] if allowed else [])


def test_a_cache_keeps_the_last_messages_and_finds_them_by_time():
    source = message_filters.SimpleFilter()
    cache, heard = message_filters.Cache(source, 3), []
    cache.registerCallback(heard.append)
    assert cache.getLast() is None and cache.getOldestTime() is None
    for stamp in (1, 2, 3, 4):
        source.signalMessage(stamped(stamp))
    assert len(heard) == 4 and cache.getOldestTime() == Time(seconds=2, clock_type=cache.getOldestTime().clock_type)
    at = lambda value: Time(seconds=value, clock_type=cache.getOldestTime().clock_type)  # noqa: E731
    assert [seconds(message) for message in cache.getInterval(at(2), at(3.5))] == [2, 3]
    assert seconds(cache.getElemAfterTime(at(2.5))) == 3 and seconds(cache.getElemBeforeTime(at(2.5))) == 2
    assert cache.getElemAfterTime(at(5)) is None and cache.getElemBeforeTime(at(1)) is None
    assert seconds(cache.getLast()) == 4


def test_a_subscriber_feeds_what_is_behind_it(spun_node):
    (node, executor), got = spun_node, []
    source = message_filters.Subscriber(node, PointStamped, "points", qos_profile=5)
    message_filters.TimeSynchronizer([source], 5).registerCallback(got.append)
    assert source.getTopic() == "points"
    publisher = node.create_publisher(PointStamped, "points", 5)
    node.create_timer(0.02, lambda: publisher.publish(stamped(1, x=3)))
    spin_until(executor, lambda: got)
    assert got[0].point.x == 3
