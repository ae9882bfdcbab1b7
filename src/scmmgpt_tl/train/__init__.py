"""How the shipped weights come about: reference material, drawn cells, captions, two stages.

Nothing outside this package and the command line imports it.
"""
