# SPDX-License-Identifier: Apache-2.0
"""DDS's functions for wait sets, in which whatever is attached has a number of its own that a wait returns."""

from __future__ import annotations

import ctypes

from cyclonedds.core import WaitSet

FOREVER = 2**63 - 1  # ns
WAKE = 0  # the number of the guard that ends a wait; everything else has another one

attach, detach, wait = (
    WaitSet._dll_handle[f"dds_waitset_{name}"]
    for name in ("attach", "detach", "wait")  # of our own: types differ
)
attach.argtypes, attach.restype = [ctypes.c_int32, ctypes.c_int32, ctypes.c_ssize_t], ctypes.c_int32
detach.argtypes, detach.restype = [ctypes.c_int32, ctypes.c_int32], ctypes.c_int32
wait.argtypes = [ctypes.c_int32, ctypes.POINTER(ctypes.c_ssize_t), ctypes.c_size_t, ctypes.c_int64]
wait.restype = ctypes.c_int32
