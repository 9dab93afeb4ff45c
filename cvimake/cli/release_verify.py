"""`release:verify`: check that a release is what it says, and that building it again gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvimake.cli import surroundings
from cvimake.cli.base import PlainCommand
from cvimake.cli.options import option
from cvimake.cli.surroundings import as_path, invoked_from
from cvimake.core import terminal
from cvimake.core.errors import EXIT_STAGE_FAILED, CvimakeError


class ReleaseVerify(PlainCommand):
    """Check a release: sums, signature, provenance, archive."""

    name = "release:verify"
    doc_purpose = "check a release: sums, signature, provenance; with --rebuild also by building it anew"
    doc_usage = "PATH"
    doc_description = (
        "PATH is the folder of a release or its archive; what lies beside it is checked too.\n"
        "Exit code 1 if something is not as it should be, 2 if it cannot be checked."
    )
    cmd_options = (
        option(
            "rebuild",
            bool,
            "build everything again in an empty folder, without the store, and compare byte by byte",
        ),
        option(
            "signers",
            str,
            "a file of allowed signers (see ssh-keygen): one of them must have signed the release",
        ),
    )
    takes_arguments = True

    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Check the release, and tell what was checked."""
        from cvimake.release import opened, rebuild, verify  # noqa: PLC0415 - slow to import, and only needed here

        if len(arguments) != 1:
            raise CvimakeError(
                "release:verify takes one release", "./doit release:verify release/NAME-VERSION"
            )
        signers = as_path(options["signers"]) if options["signers"] else None
        if signers and not signers.is_file():
            raise CvimakeError(f"--signers: no file {signers}")
        release = opened.open_release(invoked_from() / arguments[0])
        found = verify.faults(release)
        signed = "no signature beside it"
        try:
            signed = _signature(release, signers)
        except CvimakeError as error:
            found.append(str(error))
        if not found and options["rebuild"]:
            known = verify.read_provenance(release)
            found = rebuild.differences(release, known, surroundings.folder(), surroundings.variables())
        if found:
            terminal.line(f"{release.label}: NOT as it should be")
            for fault in found:
                terminal.line(f"  {fault}")
            return EXIT_STAGE_FAILED
        terminal.line(
            f"{release.label}: {len(release.sizes)} files, all as listed; the provenance holds together"
        )
        terminal.line(signed)
        if options["rebuild"]:
            terminal.line("built anew: every byte is the same")
        return 0


def _signature(release: Any, signers: Path | None) -> str:  # noqa: ANN401 - release.opened.Opened, imported where it is needed
    """Check a release's signature, and return the line that tells the result.

    Raises:
        CvimakeError: it is wrong, or missing where one is required.
    """
    from cvimake.release import opened, signature  # noqa: PLC0415 - slow to import, and only needed here
    from cvimake.release.contents import SUMS  # noqa: PLC0415 - the same

    path = opened.beside(release, opened.SIGNATURE_SUFFIX)
    if path is None:
        if signers:
            raise CvimakeError(
                f"{release.label}{opened.SIGNATURE_SUFFIX}: missing; --signers asks for a signature"
            )
        return "no signature beside it"
    who = signature.check(opened.read(release, SUMS), path, signers, surroundings.variables())
    return who if signers else f"{who} (--signers FILE says who may sign)"
