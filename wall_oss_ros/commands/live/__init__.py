# SPDX-License-Identifier: Apache-2.0
"""A look at a running system before anything moves: facts are gathered by a node, and judged by plain Python."""
