# SPDX-License-Identifier: Apache-2.0
"""Datasets that are sound, faults planted in them, and who finds which."""
