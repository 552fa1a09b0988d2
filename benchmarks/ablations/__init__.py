# SPDX-License-Identifier: Apache-2.0
"""One recipe with one thing left out or exchanged at a time: trained, evaluated and compared."""
