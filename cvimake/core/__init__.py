"""Values and small tools that every room uses."""
