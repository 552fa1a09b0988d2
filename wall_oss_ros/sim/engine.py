# SPDX-License-Identifier: Apache-2.0
"""MuJoCo, which all of this package has from here: it reads ``MUJOCO_GL`` once, when it is first imported.

What is only said and judged about scenes imports neither this nor an OpenGL library, which would start threads.
"""

from wall_oss_ros.sim.opengl import choose_backend

choose_backend()

import mujoco  # noqa: E402

__all__ = ["mujoco"]
