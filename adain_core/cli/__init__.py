"""The commands of the command line: each file has ``add_parser(commands)`` and ``run(options)``."""
