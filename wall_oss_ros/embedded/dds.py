# SPDX-License-Identifier: Apache-2.0
"""The DDS side: domain, participant, quality of service, writers and readers of ready-made bytes."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any

from cyclonedds._clayer import ddspy_take, ddspy_write
from cyclonedds.core import DDSException, Entity, InstanceState, ReadCondition, SampleState, ViewState
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

from wall_oss_ros.embedded.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from wall_oss_ros.embedded.qos_warnings import QoSWarnings
from wall_oss_ros.embedded.time import Duration, Infinite
from wall_oss_ros.errors import WallOSSError

ANY = SampleState.Any | ViewState.Any | InstanceState.Any
# A blocked reliable write holds the interpreter, so it may not last: better to lose a sample than to stall control.
MAX_BLOCKING = duration(milliseconds=100)
_domains: dict[int, Domain] = {}  # kept to the end, and with them their threads and types
_lock = threading.Lock()


def domain_id_from_environment() -> int:
    """ROS_DOMAIN_ID, 0 by default.

    Raises:
        WallOSSError: it is not an integer in 0..232.
    """
    text = os.environ.get("ROS_DOMAIN_ID", "").strip() or "0"
    if not text.isdigit() or int(text) > 232:
        raise WallOSSError(f"ROS_DOMAIN_ID is {text!r}, expected an integer from 0 to 232.", "Correct or unset it.")
    return int(text)


def configuration() -> str | None:
    """Cyclone's configuration for this process; None leaves it to CYCLONEDDS_URI or to Cyclone's defaults.

    Loopback only, unless CYCLONEDDS_URI is set or WALL_OSS_NETWORK names an interface or address (or ``any``).
    Peers are found by unicast too, so that it works where loopback has no multicast.
    """
    if os.environ.get("CYCLONEDDS_URI"):
        return None
    network = os.environ.get("WALL_OSS_NETWORK", "").strip()
    if network.lower() in ("any", "all", "1", "true"):
        return None
    if network.lower() in ("", "0", "false", "lo", "localhost", "loopback"):
        interface, peers = 'address="127.0.0.1"', '<Peers><Peer address="127.0.0.1"/></Peers>'
        size = "<MaxMessageSize>65500B</MaxMessageSize>"  # loopback carries it whole: fewer packets for an image
    else:
        attribute = "address" if network[:1].isdigit() or ":" in network else "name"
        interface, peers, size = f'{attribute}="{network}"', "", ""
    return (
        f"<CycloneDDS><Domain><General><Interfaces><NetworkInterface {interface}/></Interfaces>{size}</General>"
        f"<Discovery>{peers}<ParticipantIndex>auto</ParticipantIndex>"
        "<MaxAutoParticipantIndex>99</MaxAutoParticipantIndex></Discovery></Domain></CycloneDDS>"
    )


def _network_error(error: DDSException) -> WallOSSError:
    asked = os.environ.get("CYCLONEDDS_URI") or os.environ.get("WALL_OSS_NETWORK") or "the loopback interface"
    return WallOSSError(
        f"No network interface could be used for DDS ({asked}): {str(error).splitlines()[0]}.",
        "Bring one up ('ip link set lo up'), or set WALL_OSS_NETWORK to an interface, an address or 'any'.",
    )


def _nanoseconds(value: Any) -> int | None:
    """A finite, positive span in ns, or None where it means 'no limit', or 'best available'."""
    return value.nanoseconds if 0 < value.nanoseconds < Infinite.nanoseconds - 1 else None


def dds_qos(profile: Any, writer: bool, user_data: str = "") -> Qos:
    """Cyclone's quality of service for a ROS profile.

    What ROS leaves to the middleware becomes what rmw_cyclonedds makes of it: reliable and transient local where a
    writer may choose, best effort and volatile for a reader.
    """
    history = Policy.History.KeepAll
    if profile.history != HistoryPolicy.KEEP_ALL:
        history = Policy.History.KeepLast(max(profile.depth, 1))
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE or (
        writer and profile.reliability in (ReliabilityPolicy.SYSTEM_DEFAULT, ReliabilityPolicy.BEST_AVAILABLE)
    )
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL or (
        writer and profile.durability == DurabilityPolicy.BEST_AVAILABLE
    )
    policies: list[Any] = [
        Policy.Reliability.Reliable(MAX_BLOCKING) if reliable else Policy.Reliability.BestEffort,
        Policy.Durability.TransientLocal if latched else Policy.Durability.Volatile,
        history,
        Policy.DataRepresentation(use_cdrv0_representation=True, use_xcdrv2_representation=False),
    ]
    if latched and writer:
        policies.append(Policy.DurabilityService(0, history, -1, -1, -1))
    if writer and (lifespan := _nanoseconds(profile.lifespan)):
        policies.append(Policy.Lifespan(lifespan))
    if deadline := _nanoseconds(profile.deadline):
        policies.append(Policy.Deadline(deadline))
    lease = _nanoseconds(profile.liveliness_lease_duration)
    if profile.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC:
        policies.append(Policy.Liveliness.ManualByTopic(lease or duration(infinite=True)))
    elif lease:
        policies.append(Policy.Liveliness.Automatic(lease))
    if user_data:
        policies.append(Policy.Userdata(user_data.encode()))
    return Qos(*policies)


def profile_from_dds(qos: Qos) -> Any:
    """The ROS profile of an endpoint that was discovered; what discovery does not tell stays at its default."""
    reliable = isinstance(qos[Policy.Reliability], Policy.Reliability.Reliable)
    latched = qos[Policy.Durability] != Policy.Durability.Volatile
    history = qos[Policy.History] if Policy.History in qos else Policy.History.KeepLast(1)
    manual = Policy.Liveliness in qos and isinstance(qos[Policy.Liveliness], Policy.Liveliness.ManualByTopic)
    keep_all = history == Policy.History.KeepAll
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL if keep_all else HistoryPolicy.KEEP_LAST,
        depth=0 if keep_all else history.depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC if manual else LivelinessPolicy.AUTOMATIC,
        deadline=_span(qos, Policy.Deadline, "deadline"),
        lifespan=_span(qos, Policy.Lifespan, "lifespan"),
        liveliness_lease_duration=_span(qos, Policy.Liveliness, "lease_duration"),
    )


def _span(qos: Qos, policy: Any, attribute: str) -> Duration:
    """A span of a discovered endpoint; what has no limit is Infinite, as ROS 2 tells it."""
    found = getattr(qos[policy], attribute) if policy in qos else Infinite.nanoseconds
    return Duration(nanoseconds=min(found, Infinite.nanoseconds))


class Writer:
    """A DDS writer of CDR bytes."""

    def __init__(self, participant: Participant, topic: str, struct_class: type, profile: Any, user_data: str = ""):
        qos = dds_qos(profile, True, user_data)
        self.entity = DataWriter(participant.dds, participant.topic(topic, struct_class), qos=qos)
        self.guid: bytes = self.entity.guid.bytes
        self.handle: int = self.entity.instance_handle

    def write(self, data: bytes) -> None:
        """Sends one sample; it may be lost if a reliable reader does not keep up for 100 ms.

        Raises:
            DDSException: DDS refused it for another reason.
        """
        result = ddspy_write(self.entity._ref, data)
        if result < 0 and -result != DDSException.DDS_RETCODE_TIMEOUT and result != DDSException.DDS_RETCODE_TIMEOUT:
            raise DDSException(result, "while writing a sample")

    def matched(self) -> list[int]:
        """Handles of the readers that receive from it."""
        return self.entity.get_matched_subscriptions()

    def all_matched_user_data(self) -> list[bytes]:
        """User data of the readers that receive from it."""
        found = (self.entity.get_matched_subscription_data(handle) for handle in self.matched())
        return [user_data(endpoint) for endpoint in found if endpoint is not None]

    def assert_liveliness(self) -> bool:
        """Says that it is alive; False where DDS could not."""
        return _assert_liveliness(self.entity._ref) == 0

    def wait_for_acks(self, nanoseconds: int) -> bool:
        """Waits until every reliable reader has everything; False when the time ran out."""
        return self.entity._wait_for_acks(self.entity._ref, nanoseconds) == 0

    def close(self) -> None:
        _delete(self.entity)


class Reader:
    """A DDS reader of CDR bytes."""

    def __init__(self, participant: Participant, topic: str, struct_class: type, profile: Any, user_data: str = ""):
        qos = dds_qos(profile, False, user_data)
        self.entity = DataReader(participant.dds, participant.topic(topic, struct_class), qos=qos)
        self.condition = ReadCondition(self.entity, ANY)
        self.guid: bytes = self.entity.guid.bytes
        self._open = True

    def take_sample(self) -> tuple[bytes, Any] | None:
        """The oldest sample and its information, or None when there is none."""
        while True:
            taken = ddspy_take(self.entity._ref, ANY, 1)
            if isinstance(taken, int):
                if not self._open:  # closed by another thread meanwhile
                    return None
                raise DDSException(taken, "while taking a sample")
            if not taken:
                return None
            data, info = taken[0]
            if info.valid_data:  # otherwise it only says that a writer has left
                return data, info

    def matched(self) -> list[int]:
        """Handles of the writers that it receives from."""
        return self.entity.get_matched_publications()

    def matched_user_data(self, handle: int) -> bytes | None:
        """User data of a writer that it receives from; None when it has left."""
        endpoint = self.entity.get_matched_publication_data(handle)
        return None if endpoint is None else user_data(endpoint)

    def close(self) -> None:
        self._open = False
        _delete(self.condition)
        _delete(self.entity)


class _TopicOfKnownType(Topic):
    """A topic with the C library's description of a type that another topic of the domain has had made."""

    def __init__(self, participant: DomainParticipant, name: str, struct_class: type, description: int):
        self.data_type = struct_class
        _ref_type(description)  # the domain takes this reference
        handle = _create_topic(participant._ref, name.encode(), ctypes.byref(ctypes.c_void_p(description)), *[None] * 3)
        Entity.__init__(self, handle)  # raises DDSException for an error code
        self._keepalive_entities = [participant]


_types: dict[tuple[int, type], int] = {}  # domain, type: the description, an address that stays valid
_types_lock = threading.Lock()
_create_topic, _ref_type, _get_type = (
    getattr(Topic._dll_handle, name)
    for name in ("dds_create_topic_sertype", "ddsi_sertype_ref", "dds_get_entity_sertype")
)
_assert_liveliness = Topic._dll_handle.dds_assert_liveliness
_assert_liveliness.argtypes, _assert_liveliness.restype = [ctypes.c_int32], ctypes.c_int32
_create_topic.argtypes = [ctypes.c_int32, ctypes.c_char_p, *[ctypes.c_void_p] * 4]
_create_topic.restype = _get_type.restype = ctypes.c_int32
_ref_type.argtypes, _ref_type.restype = [ctypes.c_void_p], ctypes.c_void_p
_get_type.argtypes = [ctypes.c_int32, ctypes.c_void_p]


def _make_topic(participant: Participant, name: str, struct_class: type) -> Topic:
    """A topic; its type is described to the C library only if this is the domain's first topic of that type.

    cyclonedds would describe it for each `Topic`, in place of the description that the type's other topics use (11.0.1,
    clayer/pysertype.c, init_cdrstream_descriptor). Meanwhile samples for those may be refused. Worse, Cyclone's
    ddsi_topic_descriptor_from_type reads the domain's table of types without its lock, so that the process crashes if
    another's endpoints come or go at that moment. Once for each type, early in a process, is as seldom as can be.
    """
    key = participant.domain_id, struct_class
    with _types_lock:
        if key in _types:
            return _TopicOfKnownType(participant.dds, name, struct_class, _types[key])
        topic, description = Topic(participant.dds, name, struct_class), ctypes.c_void_p()
        if _get_type(topic._ref, ctypes.byref(description)) == 0:
            _types[key] = _ref_type(description)
        return topic


class Participant:
    """This process in one DDS domain.

    Raises:
        WallOSSError: no network interface can be used.
    """

    def __init__(self, domain_id: int):
        self.domain_id = domain_id
        with _lock:
            try:
                if domain_id not in _domains:
                    _domains[domain_id] = Domain(domain_id, configuration() or os.environ.get("CYCLONEDDS_URI", ""))
                self.dds = DomainParticipant(domain_id)
            except (DDSException, UnicodeEncodeError) as error:
                raise _network_error(error) from error
        self.guid: bytes = self.dds.guid.bytes
        self._topics: dict[str, Topic] = {}
        self._qos_warnings: QoSWarnings | None = None
        self._topics_lock = threading.Lock()

    def topic(self, name: str, struct_class: type) -> Topic:
        """The DDS topic of that name; one object for all its readers and writers.

        Raises:
            WallOSSError: this process already uses the topic with another type.
        """
        with self._topics_lock:
            topic = self._topics.get(name)
            if topic is None:
                topic = self._topics[name] = _make_topic(self, name, struct_class)
            elif topic.data_type is not struct_class:
                raise WallOSSError(
                    f"Topic {name[2:]} has type {topic.typename} in this process, not {struct_class.__idl_typename__}.",
                    "Use one type, or another topic name.",
                )
            return topic

    @property
    def qos_warnings(self) -> QoSWarnings:
        """Who tells of ends of topics that do not fit together; made at first use."""
        with self._topics_lock:
            if self._qos_warnings is None:
                self._qos_warnings = QoSWarnings(self.dds)
            return self._qos_warnings

    def close(self) -> None:
        if self._qos_warnings is not None:
            self._qos_warnings.close()
        self._topics.clear()
        _delete(self.dds)


def _delete(entity: Any) -> None:
    """Deletes a DDS entity now, rather than when Python collects it."""
    try:
        entity._delete(entity._ref)
        entity._entities.pop(entity._ref, None)
        entity._ref = 0
    except Exception:  # already deleted together with its parent
        pass


def user_data(endpoint: Any) -> bytes:
    """The user data of an endpoint that was discovered."""
    qos = endpoint.qos
    return qos[Policy.Userdata].data if qos is not None and Policy.Userdata in qos else b""
