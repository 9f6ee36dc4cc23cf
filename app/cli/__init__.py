"""The command line: one module a command, `main` for all of them."""
