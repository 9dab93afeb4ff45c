"""The commands of cvimake, and where doit finds them.

Our own program gives them to doit. Entry points of the package would add them to every doit project of the
same environment, and replace doit's own `run`, `info` and others there.
"""

from __future__ import annotations

# Each command's module and class; both are imported when the command is called.
COMMANDS = {
    "help": "cvimake.cli.help:Help",
    "run": "cvimake.cli.run:Run",
    "graph": "cvimake.cli.graph:Graph",
    "report": "cvimake.cli.report:Report",
    "info": "cvimake.cli.info:Info",
    "log": "cvimake.cli.log:Log",
    "shell": "cvimake.cli.shell:Shell",
    "clean": "cvimake.cli.clean:Clean",
    "plan": "cvimake.cli.plan:Plan",
    "why": "cvimake.cli.why:Why",
    "doctor": "cvimake.cli.doctor:Doctor",
    "new": "cvimake.cli.new:New",
    "fetch": "cvimake.cli.fetch:Fetch",
    "init": "cvimake.cli.init:Init",
    "preview": "cvimake.cli.preview:Preview",
    "view": "cvimake.cli.view:View",
    "schema": "cvimake.cli.schema:Schema",
    "image": "cvimake.cli.image:Image",
    "release": "cvimake.cli.release:Release",
    "release:verify": "cvimake.cli.release_verify:ReleaseVerify",
    "release:diff": "cvimake.cli.release_diff:ReleaseDiff",
    "store": "cvimake.cli.store:StoreShow",
    "store:gc": "cvimake.cli.store:StoreCollect",
    "store:verify": "cvimake.cli.store:StoreVerify",
    "worker": "cvimake.cli.worker:Worker",
    "onnx:downgrade": "cvimake.cli.onnx_downgrade:OnnxDowngrade",
    "dumpdb": "cvimake.cli.records:DumpDb",
    "forget": "cvimake.cli.records:Forget",
    "ignore": "cvimake.cli.records:Ignore",
    "reset-dep": "cvimake.cli.records:ResetDep",
    "strace": "cvimake.cli.records:Strace",
    "engine:stop": "cvimake.cli.engine_stop:EngineStop",
}
# What doit's own commands do. The descriptions that doit has for them speak of a `dodo.py` or of doit.
PURPOSES = {
    "list": "list the models and their descriptions; with --all also their stages",
    "tabcompletion": "print a script that makes the shell complete commands and names",
}
# Where doit keeps its records of a project.
BACKENDS = {"records": "cvimake.builder.records:Records"}
# The form in which doit takes plugins: by their kinds.
PLUGINS = {"COMMAND": COMMANDS, "BACKEND": BACKENDS}
