"""What can be said of a network before it is built: its graph, family, faults, and a declaration for it."""
