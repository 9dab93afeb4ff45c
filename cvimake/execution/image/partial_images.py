"""Removes unfinished images. Each is labelled with the process that makes it."""

from __future__ import annotations

import docker
from cvimake.core import process

LABEL = "cvimake.partial"


def remove_own(client: docker.DockerClient) -> None:
    """Remove the images that this process has made and that no finished image is built on."""
    _remove(client, process.mark())


def remove_abandoned(client: docker.DockerClient) -> None:
    """Remove such images of processes of this machine that were killed."""
    dangling = client.images.list(filters={"dangling": True, "label": LABEL})
    for mark in {str(image.labels.get(LABEL)) for image in dangling}:
        if process.has_ended(mark):
            _remove(client, mark)


def _remove(client: docker.DockerClient, mark: str) -> None:
    client.images.prune(filters={"dangling": True, "label": f"{LABEL}={mark}"})
