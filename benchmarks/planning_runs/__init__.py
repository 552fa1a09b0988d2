# SPDX-License-Identifier: Apache-2.0
"""Simulated runs in which something goes wrong: what the model's reasoning and the failure monitor make of it."""
