"""The toolchain images."""
