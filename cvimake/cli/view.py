"""`view`: show a network's graph in the browser, and tell which tensors are its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvimake.cli import surroundings
from cvimake.cli.base import PlainCommand
from cvimake.cli.options import option
from cvimake.cli.surroundings import invoked_from
from cvimake.core import terminal, toml
from cvimake.core.errors import CvimakeError
from cvimake.core.paths import exported
from cvimake.project.networks import network_file
from cvimake.project.networks.network_file import Kind


class View(PlainCommand):
    """Show a model's graph in Netron on this machine, until Ctrl-C."""

    doc_purpose = "look at a network's graph in the browser (Netron)"
    doc_usage = "MODEL | FILE"
    doc_description = (
        "Serves Netron on 127.0.0.1, prints the address and the outputs that are chosen, and ends on "
        "Ctrl-C. Netron is installed by .venv/bin/python -m pip install netron"
    )
    takes_arguments = True
    cmd_options = (option("port", int, "the port to serve on [default: any that is free]"),)

    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Serve the page until Ctrl-C."""
        from cvimake.cli.netron_page import Server, netron_folder  # noqa: PLC0415 - loads a web server

        if len(arguments) != 1:
            raise CvimakeError("`view` takes one model or file", "./doit view yolo11n")
        path, outputs, said_by = _chosen(arguments[0])
        with Server(path, netron_folder(), options["port"]) as server:
            if outputs:
                terminal.line(f"outputs, {said_by}:")
                for name in outputs:
                    terminal.line(f"  {name}")
            else:
                terminal.line(f"outputs: the network's own ({said_by})")
            terminal.line(f"{path.name} is at {server.url} until Ctrl-C")
            terminal.flush()
            server.serve_until_interrupted()
        return 0


def _chosen(argument: str) -> tuple[Path, list[str], str]:
    """Return the network's file, its outputs, and where the outputs are declared.

    Raises:
        CvimakeError: there is no such model or file.
    """
    from cvimake.project.reader import read_datasets  # noqa: PLC0415 - takes a while to load

    path = invoked_from() / argument
    if path.is_file():
        return path, *_recognised(path)
    settings, _ = read_datasets(surroundings.folder())
    declaration = surroundings.folder() / settings.models / argument / "model.toml"
    if not declaration.is_file():
        raise CvimakeError(
            f"there is neither a model nor a file {argument!r}", "./doit list shows the models"
        )
    _, values = toml.read(declaration)
    source = declaration.parent / str(values.get("source", ""))
    if not source.is_file():
        raise CvimakeError(f"{declaration}: its source {source} is not there")
    # The graph of a checkpoint is known from its export alone.
    made = surroundings.folder() / exported(argument)
    if made.is_file() and network_file.check(source) is Kind.CHECKPOINT:
        source = made
    table = values.get("output", {})
    names = table.get("names", []) if isinstance(table, dict) else []
    return source, [str(name) for name in names] if isinstance(names, list) else [], f"as {declaration} says"


def _recognised(path: Path) -> tuple[list[str], str]:
    from cvimake.project.networks import reading  # noqa: PLC0415 - only a file is looked into
    from cvimake.project.networks.families import recognise  # noqa: PLC0415 - as above

    if path.suffix != Kind.ONNX.value:
        return [], "its layers are not looked at"
    found = recognise(reading.read(path))
    if found is None:
        return [], "it is not recognised"
    return list(found.outputs), f"as `init` chooses them for {found.family}"
