"""Subcommands of wall-oss."""
