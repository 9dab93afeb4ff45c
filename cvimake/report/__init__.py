"""The report: pages that show what a project has built, how good it is, and how it was made."""
