# SPDX-License-Identifier: Apache-2.0
"""All faults that are planted."""

from data_check import number_faults, table_faults, view_faults, word_faults

FAULTS = (*table_faults.FAULTS, *number_faults.FAULTS, *view_faults.FAULTS, *word_faults.FAULTS)
