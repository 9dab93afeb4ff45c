"""The commands that run tpu_mlir's tools and our container programs, and the environment that they see."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from cvimake.core import clock
from cvimake.core.action import Action, Folder
from cvimake.core.resources import container_package

# The folder of the package in the image (docker/Dockerfile).
PREFIX = "/opt/tpu_mlir"
ROOT = f"{PREFIX}/lib/python3.10/site-packages/tpu_mlir"
# The library that does the slowest work of the simulator and of the interpreter of lowered networks
# (docker/simulator.c, docker/interpreter.c); it is preloaded where these run.
SIMULATOR = f"{PREFIX}/lib/libfastsimulator.so"
# The variables that the library reads. A user sets them. They are no part of an action, since they change no
# result.
SIMULATOR_VARIABLES = ("CVIMAKE_SIMULATOR_COMPARE", "CVIMAKE_SIMULATOR_OFF")

# The beginning of every command. Without it, equal inputs give different files, for two reasons: the memory
# planner depends on the address at which the kernel loads the program (setarch -R fixes it), and files hold
# the time of day (libfaketime fixes it; see the environment). Both output streams are one, so that a log has
# its lines in their order. umask gives new files the same rights for every caller.
DETERMINISTIC = ("setarch", "x86_64", "-R", "sh", "-c", 'umask 022; exec "$@" 2>&1', "step")

# The variable with the time at which libfaketime stops the clock.
_CLOCK = "FAKETIME"


def environment() -> dict[str, str]:
    """Return all variables that a tool sees: those that it needs, and those for repeatable results."""
    return {
        "PATH": ":".join(
            (
                f"{ROOT}/bin",
                f"{ROOT}/python/tools",
                f"{ROOT}/python/utils",
                f"{PREFIX}/bin",
                "/usr/local/bin",
                "/usr/bin",
                "/bin",
            )
        ),
        "PYTHONPATH": f"{ROOT}:{ROOT}/python",
        "LD_LIBRARY_PATH": f"{ROOT}/lib:{ROOT}/lib/capi:{ROOT}/lib/third_party",
        "TPUC_ROOT": ROOT,
        "LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        # The clock stands still. A running one would write another second in a long stage.
        _CLOCK: clock.written(clock.DEFAULT_EPOCH),
        # Sleeping and time-outs go on while the clock stands still.
        "DONT_FAKE_MONOTONIC": "1",
        # Without this, waiting with a time limit ends at once. Python's threads wait for each other like that
        # and would keep a core busy: the tools' comparisons took ten times as long on a busy machine.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        # Kernels are chosen by instruction set, and their sums differ in the last bit. Every x86-64 machine
        # of the last ten years has AVX2.
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        # numpy has its own kernels: with those for AVX-512, validations find other signal-to-noise ratios.
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
        # numpy warns on a machine without AVX-512 that there is nothing to disable.
        "PYTHONWARNINGS": "ignore:During parsing environment variable:RuntimeWarning",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # Only the image's own bytecode, compiled from the sources in its fingerprint, is used.
        "PYTHONPYCACHEPREFIX": f"{PREFIX}/bytecode",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "HOME": "/tmp",  # noqa: S108 - inside the container, where /tmp is its own
        "TMPDIR": "/tmp",  # noqa: S108 - the same
        "USER": "cvimake",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


def dated(action: Action, epoch: int) -> Action:
    """Return an action whose clock stands still at another time.

    Args:
        action: an action with one of the environments of this module.
        epoch: the time, in seconds since 1970.
    """
    if epoch == clock.DEFAULT_EPOCH:
        return action
    return dataclasses.replace(action, environment={**action.environment, _CLOCK: clock.written(epoch)})


def simulator_environment() -> dict[str, str]:
    """Return all variables that a tool sees which runs a cvimodel or computes a lowered network."""
    variables = environment()
    return {**variables, "LD_PRELOAD": f"{variables['LD_PRELOAD']}:{SIMULATOR}"}


def summarised_command(tool: str, summary: str, arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the command that runs a tool and writes a summary of its output; see `container/run_tool.py`."""
    return summarised_program(_file(tool), summary, arguments, ())


def summarised_program(
    program: str, summary: str, arguments: Iterable[str], flags: Iterable[str]
) -> tuple[str, ...]:
    """Return the same command for a container program that replaces a tool."""
    return (*DETERMINISTIC, "python3", "run_tool.py", summary, *flags, program, *arguments)


def calibration_command(arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the command that runs `run_calibration` in several processes; see `container/calibrate.py`."""
    return (*DETERMINISTIC, "python3", "calibrate.py", *arguments)


def transform_command(programs: Iterable[str], model_name: str, arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the command that transforms a network.

    Args:
        programs: container programs that run the tool, the outermost first; each gets the model's name.
        model_name: the model's name.
        arguments: the tool's arguments.
    """
    around = (part for program in programs for part in (program, model_name))
    return (*DETERMINISTIC, "python3", *around, _file("model_transform"), *arguments)


def info_command(model: str, listing: str, time: str) -> tuple[str, ...]:
    """Return the command that lists a cvimodel and estimates its time; see `container/estimate_time.py`."""
    return (*DETERMINISTIC, "python3", "estimate_time.py", model, listing, time)


# The packages that evaluate a network.
ACCURACY_PACKAGES = Folder(
    target="/packages",
    files={
        **container_package("decoders"),
        **container_package("evaluation"),
        **container_package("metrics"),
    },
)


def accuracy_command(images: str, earlier: str, *files: str) -> tuple[str, ...]:
    """Return the command that evaluates a network on a folder of images; see `container/evaluation`.

    Args:
        images: the folder with the images.
        earlier: the folder with parts of an evaluation that was killed.
        files: the options and the results.
    """
    return _package_command("evaluation", ACCURACY_PACKAGES, images, (f"--earlier={earlier}", *files))


# The package that draws previews.
PREVIEW_PACKAGE = Folder(target="/packages", files=container_package("preview"))


def preview_command(images: str, *files: str) -> tuple[str, ...]:
    """Return the command that draws what networks see; see `container/preview`."""
    return _package_command("preview", PREVIEW_PACKAGE, images, files)


def _package_command(name: str, folder: Folder, images: str, files: Iterable[str]) -> tuple[str, ...]:
    # The last folder is the working directory, with the files that are no package. PYTHONPATH is a part of
    # the command line, because without containers folders have other paths, which are put in there alone.
    path = f"PYTHONPATH={folder.target}:{environment()['PYTHONPATH']}:."
    return (*DETERMINISTIC, "env", path, "python3", "-m", name, f"--images={images}", *files)


# The program that converts ONNX networks, and its Python: docker/Dockerfile gives it newer packages than the
# toolchain can use.
ONNX_PROGRAM = Folder(target="/program", files=container_package("onnx_downgrade"))
_ONNX_PYTHON = f"{PREFIX}/onnx/bin/python3"


def onnx_environment() -> dict[str, str]:
    """Return all variables that the conversion of an ONNX network sees: none of the toolchain's own."""
    variables = environment()
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "TPUC_ROOT"):
        del variables[name]
    return {**variables, "PATH": "/usr/local/bin:/usr/bin:/bin"}


def onnx_command(source: str, result: str, summary: str, arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the command that converts an ONNX network; see `container/onnx_downgrade`."""
    program = ("env", f"PYTHONPATH={ONNX_PROGRAM.target}", _ONNX_PYTHON, "-m", "onnx_downgrade")
    return (*DETERMINISTIC, *program, source, result, summary, *arguments)


# The folder of Ultralytics' exporter in the export image (docker/export.Dockerfile).
EXPORT_PREFIX = "/opt/export"


def export_environment() -> dict[str, str]:
    """Return all variables that the export of a checkpoint sees."""
    return {
        **onnx_environment(),
        "PATH": f"{EXPORT_PREFIX}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPYCACHEPREFIX": f"{EXPORT_PREFIX}/bytecode",
        # PyTorch chooses its kernels by instruction set, too.
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        # Only classes of networks are made from a pickle; anything else in it is refused before it runs.
        "ULTRALYTICS_SAFE_LOAD": "true",
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": "/tmp",  # noqa: S108 - the container's own
    }


def export_command(source: str, result: str, shape: Iterable[int]) -> tuple[str, ...]:
    """Return the command that exports a checkpoint to ONNX; see `container/export_checkpoint.py`.

    Args:
        source: the checkpoint.
        result: the ONNX file to write.
        shape: batch, channels, height, width; nothing for one image of the size that it was trained with.
    """
    return (*DETERMINISTIC, "python3", "export_checkpoint.py", source, result, *map(str, shape))


def _file(tool: str) -> str:
    # The console scripts start Python twice and set `OMP_NUM_THREADS=4`.
    return f"{ROOT}/python/tools/{tool}.py"
