"""Collects the files that an image is built from: the recipe's, and this machine's settings of pip.

Pip's settings can hold a password. The engine's classic builder knows no secrets, and a build argument stays
in the history of every later layer. So pip's settings are a file that an early stage of the Dockerfile
copies. After the build that stage is removed, with all its layers.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cvimake.core.resources import docker_folder
from cvimake.execution.image.recipe import Recipe

_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Docker knows these variables, and keeps them out of an image's history.
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host")


def fill(context: Path, recipe: Recipe, environment: Mapping[str, str]) -> None:
    """Write the files that the Dockerfile copies: pins, certificates, pip's settings, the user's wheel."""
    for name in recipe.files:
        shutil.copy(docker_folder() / name, context)
    named = next(
        (Path(path) for name in _CERTIFICATES if (path := environment.get(name))), _SYSTEM_CERTIFICATES
    )
    if named.is_file():
        shutil.copy(named, context / "certificates.crt")
    else:
        (context / "certificates.crt").touch()
    (context / "pip.conf").write_text(_pip_settings(environment), encoding="utf-8")
    (context / "wheels").mkdir()
    if recipe.wheel:
        shutil.copy(recipe.wheel, context / "wheels")


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Return this machine's proxies as build arguments."""
    return {name: value for name in _PROXIES if (value := environment.get(name))}


def _pip_settings(environment: Mapping[str, str]) -> str:
    """Return a configuration file with the package indexes that this machine's pip uses."""
    configured = subprocess.run(
        [sys.executable, "-I", "-m", "pip", "config", "list"],
        env=environment, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    lines = ["[global]"]
    for key in _PIP_SETTINGS:
        # The last one counts, as for pip: files come first, then the environment.
        found = re.findall(rf"^(?:global|install|:env:)\.{key}='(.*)'$", configured, re.MULTILINE)
        # An index in a folder of this machine cannot be seen from the container.
        urls = [url for url in found[-1].split() if not url.startswith("file:")] if found else []
        if urls:
            lines.append(f"{key} = {' '.join(urls)}")
    return "\n".join(lines) + "\n"
