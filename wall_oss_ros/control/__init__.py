# SPDX-License-Identifier: Apache-2.0
"""From action chunks to what is sent to an arm: joining chunks, motion within limits, and when to hold still."""
