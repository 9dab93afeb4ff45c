"""The commands that run tpu_mlir's tools and our container programs, and the environment that they see."""

from __future__ import annotations

from collections.abc import Iterable

from cvimake.core import clock
from cvimake.core.action import Folder
from cvimake.core.resources import step_package

# Where docker/Dockerfile puts the package.
PREFIX = "/opt/tpu_mlir"
ROOT = f"{PREFIX}/lib/python3.10/site-packages/tpu_mlir"

# What every step starts with. Two things make equal inputs give unequal files otherwise: the memory planner
# depends on where the kernel loads the program (setarch -R turns that off), and files hold the time of day
# (libfaketime, in the environment). One stream for all that is said, so that a log has it in its order.
# The rights of a new file are the same whatever those of the caller's are.
DETERMINISTIC = ("setarch", "x86_64", "-R", "sh", "-c", 'umask 022; exec "$@" 2>&1', "step")


def environment() -> dict[str, str]:
    """All variables that a tool sees: what it needs, and what holds its results still."""
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
        # The clock stands still: a running one would still write 00:00:09 in a long step.
        "FAKETIME": clock.written(clock.epoch()),
        # Sleeping and time-outs go on while the clock stands still.
        "DONT_FAKE_MONOTONIC": "1",
        # Otherwise waits with a time limit end at once, and Python's threads, which wait so for each other,
        # keep a core busy with nothing else: the tools' comparisons took ten times as long on a busy machine.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        # Kernels are chosen by instruction set, and their sums differ in the last bit. AVX2 is what any
        # x86-64 machine of the last ten years has.
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        # numpy has kernels of its own: with those for AVX-512, validations find other signal-to-noise ratios.
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
        # That it has nothing to disable where there is no AVX-512.
        "PYTHONWARNINGS": "ignore:During parsing environment variable:RuntimeWarning",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # The image's own bytecode, compiled from the sources that its fingerprint counts, and no other.
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


def command(tool: str, arguments: Iterable[str]) -> tuple[str, ...]:
    """The command that runs one of the package's tools.

    The console scripts would start Python twice and set `OMP_NUM_THREADS=4`; the tool's file is run instead.
    """
    return (*DETERMINISTIC, "python3", _file(tool), *arguments)


def summarised_command(
    tool: str, summary: str, arguments: Iterable[str], flags: Iterable[str] = ()
) -> tuple[str, ...]:
    """The same, with what the tool says of its result written to a file; see `container/run_tool.py`."""
    return summarised_program(_file(tool), summary, arguments, flags)


def summarised_program(
    program: str, summary: str, arguments: Iterable[str], flags: Iterable[str] = ()
) -> tuple[str, ...]:
    """The same for a program of ours that stands in for a tool."""
    return (*DETERMINISTIC, "python3", "run_tool.py", summary, *flags, program, *arguments)


def calibration_command(arguments: Iterable[str]) -> tuple[str, ...]:
    """The command that runs `run_calibration` in several processes; see `container/calibrate.py`."""
    return (*DETERMINISTIC, "python3", "calibrate.py", *arguments)


def transform_command(programs: Iterable[str], model_name: str, arguments: Iterable[str]) -> tuple[str, ...]:
    """The command that transforms a network.

    Args:
        programs: of ours that stand around the tool, the outermost first; each takes the model's name.
        model_name: that.
        arguments: the tool's.
    """
    around = (part for program in programs for part in (program, model_name))
    return (*DETERMINISTIC, "python3", *around, _file("model_transform"), *arguments)


def info_command(model: str, listing: str, time: str) -> tuple[str, ...]:
    """The command that lists a cvimodel and estimates its time; see `container/estimate_time.py`."""
    return (*DETERMINISTIC, "python3", "estimate_time.py", model, listing, time)


# The program that converts ONNX networks, and the Python that it runs under: docker/Dockerfile puts newer
# packages there than the toolchain bears.
ONNX_PROGRAM = Folder(target="/program", files=step_package("onnx_downgrade"))
_ONNX_PYTHON = f"{PREFIX}/onnx/bin/python3"


def onnx_environment() -> dict[str, str]:
    """All variables that the conversion of an ONNX network sees: nothing of the toolchain's own."""
    variables = environment()
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "TPUC_ROOT"):
        del variables[name]
    return {**variables, "PATH": "/usr/local/bin:/usr/bin:/bin"}


def onnx_command(source: str, result: str, summary: str, arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the command that converts an ONNX network; see `container/onnx_downgrade`."""
    program = ("env", f"PYTHONPATH={ONNX_PROGRAM.target}", _ONNX_PYTHON, "-m", "onnx_downgrade")
    return (*DETERMINISTIC, *program, source, result, summary, *arguments)


def _file(tool: str) -> str:
    return f"{ROOT}/python/tools/{tool}.py"
