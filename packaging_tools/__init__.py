"""What packages ship beside the programs: manual pages and completion, made from the parsers.

`python -m packaging_tools.manpages OUT` and `python -m packaging_tools.completions OUT`. Not part
of the distribution.
"""
