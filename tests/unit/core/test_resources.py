from __future__ import annotations

import pytest

from cvimake.core import resources


@pytest.mark.parametrize(
    "name", ["Dockerfile", "base.toml", "bootstrap-base.sh", "seccomp.json", "requirements.txt"]
)
def test_the_recipe_of_the_image_is_found(name: str) -> None:
    assert (resources.docker_folder() / name).is_file()


def test_a_container_program_is_found() -> None:
    assert resources.container_program("toolchain_identity").is_file()
