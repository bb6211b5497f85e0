"""The view into every process: its log, its metrics, its traces and its error reports.

Every process may import this package, and it knows none of them.
"""
