"""Examines a network before it is built: its graph, its family, and its faults."""
