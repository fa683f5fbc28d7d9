# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what a program wrote to its terminal, colours included, as an SVG: terminal.py TITLE < output > picture.svg"""

from __future__ import annotations

import re
import sys
from xml.sax.saxutils import escape

WIDE, HIGH, EDGE, BAR = 8.4, 18, 16, 34
PAPER, INK, FRAME = "#1b1f27", "#d5dae3", "#2a303c"
# The eight colours of ECMA-48 (SGR 30 to 37), then their bright kin.
COLOURS = (
    "#4b5263", "#e8707a", "#98c379", "#e5c07b", "#6cb2f0", "#c88be0", "#5fc0cc", "#d5dae3",
    "#7f8797", "#ff8a92", "#b1dc92", "#f5d68f", "#8cc7ff", "#dda6f2", "#7fdbe6", "#ffffff",
)  # fmt: skip
CODE = re.compile(r"\x1b\[([0-9;]*)m")


class Pen:
    """What the codes so far ask of the characters that follow."""

    def __init__(self) -> None:
        self.colour, self.bold = INK, False

    def obey(self, codes: str) -> None:
        """Take one escape sequence's numbers."""
        for code in (int(number or 0) for number in codes.split(";")):
            if code == 0:
                self.colour, self.bold = INK, False
            elif code == 1:
                self.bold = True
            elif 30 <= code <= 37:
                self.colour = COLOURS[code - 30]
            elif 90 <= code <= 97:
                self.colour = COLOURS[code - 82]

    def draw(self, text: str) -> str:
        """The text as a span of this colour."""
        weight = ' font-weight="bold"' if self.bold else ""
        return f'<tspan fill="{self.colour}"{weight}>{escape(text)}</tspan>' if text else ""


def spans(line: str, pen: Pen) -> str:
    """One line of output; the pen is left as the line leaves it."""
    drawn = []
    for number, piece in enumerate(CODE.split(line)):
        if number % 2:
            pen.obey(piece)
        else:
            drawn.append(pen.draw(piece))
    return "".join(drawn)


def picture(output: str, title: str) -> str:
    """The SVG of a terminal window that shows `output`, as wide and as high as that needs."""
    lines, pen = output.rstrip().splitlines(), Pen()
    columns = max(len(CODE.sub("", line)) for line in lines)
    wide, high = round(columns * WIDE + 2 * EDGE), len(lines) * HIGH + BAR + 2 * EDGE
    lights = "".join(
        f'<circle cx="{20 + 20 * number}" cy="{BAR // 2}" r="6" fill="{colour}"/>'
        for number, colour in enumerate(("#e8707a", "#e5c07b", "#98c379"))
    )
    texts = "\n".join(
        f'<text x="{EDGE}" y="{BAR + EDGE + HIGH * number + 13}">{spans(line, pen)}</text>'
        for number, line in enumerate(lines)
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" \
font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" xml:space="preserve">
<title>{escape(title)}</title>
<rect width="{wide}" height="{high}" rx="8" fill="{PAPER}"/>
<path d="M0 8a8 8 0 0 1 8-8h{wide - 16}a8 8 0 0 1 8 8v{BAR - 8}H0z" fill="{FRAME}"/>
{lights}
<text x="{wide // 2}" y="{BAR // 2 + 5}" text-anchor="middle" fill="{INK}">{escape(title)}</text>
{texts}
</svg>
"""


if __name__ == "__main__":
    sys.stdout.write(picture(sys.stdin.read(), sys.argv[1]))
