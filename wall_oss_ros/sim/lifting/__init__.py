# SPDX-License-Identifier: Apache-2.0
"""The two-handed task: a wide tray is taken by its side walls and lifted level by two arms."""
