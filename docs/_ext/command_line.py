"""The directive ``command-line``: the help of every command, from the parser."""

import argparse
from collections.abc import Iterator

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from freqfake.cli import make_parser

WIDTH = 92  # characters per line


class CommandLine(SphinxDirective):
    """A section for each command."""

    def run(self) -> list[nodes.Node]:
        """Make the sections."""
        return [self._section(parser) for parser in commands(make_parser())]

    def _section(self, parser: argparse.ArgumentParser) -> nodes.section:
        title = nodes.title(parser.prog, "", nodes.literal(text=parser.prog))
        section = nodes.section("", title, names=[parser.prog])
        section += nodes.literal_block(text=plain_help(parser), language="none")
        self.state.document.note_implicit_target(section, section)
        return section


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and the parsers of all its commands, each once."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in dict.fromkeys(action.choices.values()):
                yield from commands(command)


def plain_help(parser: argparse.ArgumentParser) -> str:
    """Return the help without colours and in a fixed width, independent of the terminal."""

    class Plain(argparse.RawDescriptionHelpFormatter):
        def __init__(self, prog: str, **options: object) -> None:
            super().__init__(prog, max_help_position=26, width=WIDTH)

    parser.formatter_class = Plain
    return parser.format_help()


def setup(app) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
