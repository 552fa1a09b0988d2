# SPDX-License-Identifier: Apache-2.0
"""What benchmarks/faults.py is made of: a running system with relays in it, faults, and a judge of each command."""
