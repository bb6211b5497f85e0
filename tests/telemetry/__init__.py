"""Logs, metrics, traces and error reports of all processes."""
