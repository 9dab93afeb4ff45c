"""Answers that are kept: a command whose answer cannot have changed prints it again, and does no work.

`observer.py` notes everything that a command looks at. If the command has only looked, `keeping.py` writes
down what it printed, and the state of all that it has looked at. When the same command is given again,
`repeat.py` compares these states. Nothing else is imported until then, so this takes as long as asking for
the states.

This package imports nothing heavy: each import counts where there is nothing to do.
"""
