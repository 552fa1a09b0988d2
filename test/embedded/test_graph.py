# SPDX-License-Identifier: Apache-2.0
"""The graph: who has which topics and services, and discovery samples of others that cannot be read."""

import pytest
from embedded_support import PATIENCE, context, executor, make_node, spin_until  # noqa: F401
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.embedded import graph, wire
from wall_oss_ros.embedded.action import ActionClient, ActionServer
from wall_oss_ros.embedded.action.graph import get_action_names_and_types, get_action_server_names_and_types_by_node
from wall_oss_ros.embedded.exceptions import NodeNameNonExistentError
from wall_oss_ros.embedded.interfaces import get_interface, get_message
from wall_oss_ros.embedded.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile
from wall_oss_ros.embedded.time import Duration

String = get_message("std_msgs/msg/String")
AddTwoInts = get_interface("example_interfaces", "srv", "AddTwoInts")
Fibonacci = get_interface("example_interfaces", "action", "Fibonacci")
LATCHED = QoSProfile(history=HistoryPolicy.KEEP_ALL, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_what_each_node_has_and_how_many(make_node, executor):
    one, two = make_node("one", namespace="/there"), make_node("two")
    one.create_publisher(String, "words", 1)
    one.create_service(AddTwoInts, "add", lambda request, response: response)
    two.create_client(AddTwoInts, "/there/add")
    two.create_subscription(String, "/there/words", print, 1)
    words, add = ("/there/words", ["std_msgs/msg/String"]), ("/there/add", ["example_interfaces/srv/AddTwoInts"])

    def all_known():
        return (
            words in two.get_publisher_names_and_types_by_node("one", "/there")
            and words in one.get_subscriber_names_and_types_by_node("two", "/")
            and add in two.get_service_names_and_types_by_node("one", "/there")
            and one.get_client_names_and_types_by_node("two", "") == [add]
        )

    assert spin_until(executor, all_known)
    raw = two.get_publisher_names_and_types_by_node("one", "/there", no_demangle=True)
    assert ("rt/there/words", ["std_msgs::msg::dds_::String_"]) in raw
    assert ("rt/there/words", ["std_msgs::msg::dds_::String_"]) in two.get_topic_names_and_types(no_demangle=True)
    assert two.get_client_names_and_types_by_node("one", "/there") == []
    assert (one.count_clients("add"), one.count_services("add"), one.count_clients("nothing")) == (1, 1, 0)
    assert ("one", "/there", "/") in two.get_node_names_and_namespaces_with_enclaves()
    with pytest.raises(NodeNameNonExistentError, match="Cannot find node 'three' in namespace '/'"):
        one.get_service_names_and_types_by_node("three", "/")


def test_actions_are_found(make_node, executor):
    one, two = make_node("one"), make_node("two")
    ActionServer(one, Fibonacci, "count", lambda goal: Fibonacci.Result())
    ActionClient(two, Fibonacci, "count")
    expected = [("/count", ["example_interfaces/action/Fibonacci"])]
    assert spin_until(executor, lambda: get_action_names_and_types(two) == expected)
    assert spin_until(executor, lambda: get_action_server_names_and_types_by_node(two, "one", "/") == expected)
    assert get_action_server_names_and_types_by_node(one, "two", "/") == []


def test_endpoints_tell_their_quality_and_type(make_node, executor):
    node = make_node("one")
    spans = {"deadline": Duration(seconds=2), "liveliness_lease_duration": Duration(seconds=3)}
    profile = QoSProfile(depth=1, liveliness=LivelinessPolicy.MANUAL_BY_TOPIC, lifespan=Duration(seconds=1), **spans)
    node.create_publisher(String, "words", profile)
    assert spin_until(executor, lambda: node.get_publishers_info_by_topic("words"))
    (info,) = node.get_publishers_info_by_topic("words")
    told = info.qos_profile
    assert (told.deadline, told.lifespan) == (Duration(seconds=2), Duration(seconds=1))
    assert (told.liveliness, told.liveliness_lease_duration) == (profile.liveliness, Duration(seconds=3))
    assert info.endpoint_type is graph.TopicEndpointTypeEnum.PUBLISHER
    assert str(info.topic_type_hash) == wire.type_hash(String)


@pytest.fixture
def stranger(context):
    """Writes bytes to the topic on which processes tell of their nodes, as another participant would."""
    kind = get_interface("rmw_dds_common", "msg", "ParticipantEntitiesInfo")
    writer = graph.dds.Writer(context.participant, "ros_discovery_info", wire.struct_type(kind._key), LATCHED)
    yield writer.write
    writer.close()


def own_sample(context, name: bytes, package="rmw_dds_common", gid_size=16) -> bytes:
    """A sample of this participant, with one node whose name is then replaced by bytes of the same length."""
    graph._long_gids()
    info, node, gid = (
        get_interface(package, "msg", part) for part in ("ParticipantEntitiesInfo", "NodeEntitiesInfo", "Gid")
    )
    guid = context.participant.guid.ljust(gid_size, b"\0")
    there = node(node_name="x" * len(name), node_namespace="/far", writer_gid_seq=[gid(data=list(guid))])
    data = wire.serialize(info(gid=gid(data=list(guid)), node_entities_info_seq=[there]))
    return data.replace(b"x" * len(name), name)


def test_a_sample_that_nobody_can_read_changes_nothing(make_node, executor, stranger, context):
    node = make_node("one")
    assert spin_until(executor, lambda: node.get_node_names() == ["one"])
    stranger(own_sample(context, b"bad \xff\xfe utf-8 name"))
    stranger(own_sample(context, b"after them"))
    assert spin_until(executor, lambda: node.get_node_names() == ["after them"])


def test_nodes_of_ros_2_humble_are_known(make_node, executor, stranger, context):
    node = make_node("one")
    stranger(own_sample(context, b"of_humble", "rmw_dds_common_humble", 24))
    assert spin_until(executor, lambda: ("of_humble", "/far") in node.get_node_names_and_namespaces())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_end_a_query(data):
    graph._long_gids()
    heard = graph.Graph.__new__(graph.Graph)
    heard._info, heard._heard = get_interface("rmw_dds_common", "msg", "ParticipantEntitiesInfo"), {}
    heard._hear(b"\0\1\0\0" + data)
    for message in heard._heard.values():
        assert all(isinstance(info.node_name, str) for info in message.node_entities_info_seq)
