# SPDX-License-Identifier: Apache-2.0
"""Publishers that are silent unless their node is active."""

from __future__ import annotations

from typing import Any

from wall_oss_ros.embedded.lifecycle.managed_entity import SimpleManagedEntity
from wall_oss_ros.embedded.publisher import Publisher


class LifecyclePublisher(SimpleManagedEntity, Publisher):
    """A publisher that drops messages while its node is not active."""

    def __init__(self, *args: Any, **kwargs: Any):
        SimpleManagedEntity.__init__(self)
        Publisher.__init__(self, *args, **kwargs)

    @SimpleManagedEntity.when_enabled
    def publish(self, msg: Any) -> None:
        """Publishes a message if the node is active, otherwise drops it."""
        Publisher.publish(self, msg)
