# SPDX-License-Identifier: Apache-2.0
"""Copies of a service's requests and responses on ``<service>/_service_event``, as ROS 2's introspection has them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from wall_oss_ros.embedded.interfaces import get_interface


class ServiceIntrospectionState(IntEnum):
    """What is published: nothing, that something was said, or with it what."""

    OFF = 0
    METADATA = 1
    CONTENTS = 2


class Introspection:
    """What a client or a service tells of itself; mixed into both."""

    _events: Any = None  # the publisher
    _contents = False

    def configure_introspection(self, clock: Any, service_event_qos_profile: Any, introspection_state: Any) -> None:
        """Begins, changes or ends it.

        Args:
            clock: stamps the events.
            service_event_qos_profile: of the topic.
            introspection_state: how much is told.
        """
        state = ServiceIntrospectionState(introspection_state)
        if self._events is not None:
            self._events.destroy()
            self._events = None
        if state is not ServiceIntrospectionState.OFF:
            self._clock, self._contents = clock, state is ServiceIntrospectionState.CONTENTS
            event = self.srv_type.Event
            self._events = self._node.create_publisher(
                event, f"{self.srv_name}/_service_event", service_event_qos_profile
            )

    def _tell(self, what: str, guid: int, sequence: int, request: Any = None, response: Any = None) -> None:
        """Publishes an event: ``REQUEST_SENT``, ``REQUEST_RECEIVED``, ``RESPONSE_SENT`` or ``RESPONSE_RECEIVED``."""
        events = self._events
        if events is None:
            return
        kind = get_interface("service_msgs", "msg", "ServiceEventInfo")
        gid = np.frombuffer(guid.to_bytes(8, "little") * 2, np.uint8)
        info = kind(
            event_type=getattr(kind, what), stamp=self._clock.now().to_msg(), client_gid=gid, sequence_number=sequence
        )
        said = {"request": request, "response": response}
        bodies = {name: [body] for name, body in said.items() if self._contents and body is not None}
        events.publish(events.msg_type(info=info, **bodies))
