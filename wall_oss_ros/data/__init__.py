# SPDX-License-Identifier: Apache-2.0
"""Datasets: what training asks of one, and how frames are stored."""
