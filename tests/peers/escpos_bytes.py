"""The commands of `hal/examples/peers.rs` as python-escpos writes them: `name hex`, one a line."""

import logging
import sys

from escpos import constants
from escpos.printer import Dummy
from PIL import Image

logging.disable(logging.CRITICAL)


def written(*calls):
    printer = Dummy()
    for call in calls:
        call(printer)
    return printer.output.hex()


def picture():
    image = Image.new("1", (16, 3), 1)
    for dot in [(0, 0), (15, 2), (9, 1)]:
        image.putpixel(dot, 0)
    return image


qr_text = sys.argv[1]
commands = {
    "initialise": written(lambda p: p.hw("INIT")),
    "bold-on": written(lambda p: p.set(bold=True)),
    "bold-off": written(lambda p: p.set(bold=False)),
    "underline-on": written(lambda p: p.set(underline=1)),
    "underline-off": written(lambda p: p.set(underline=0)),
    "size-2-2": written(lambda p: p.set(custom_size=True, width=2, height=2)),
    "size-3-1": written(lambda p: p.set(custom_size=True, width=3, height=1)),
    "left": written(lambda p: p.set(align="left")),
    "centre": written(lambda p: p.set(align="center")),
    "right": written(lambda p: p.set(align="right")),
    "page-858": written(lambda p: p.charcode("CP858")),
    "page-1252": written(lambda p: p.charcode("CP1252")),
    "feed-3": written(lambda p: p.print_and_feed(3)),
    "qr": written(lambda p: p.qr(qr_text, ec=1, size=6, model=2, native=True, center=False)),
    "raster": written(lambda p: p.image(picture(), impl="bitImageRaster", center=False)),
    "ask-printer": constants.RT_STATUS_ONLINE.hex(),
    "ask-paper": constants.RT_STATUS_PAPER.hex(),
    # It writes the code page in front of the text; ours is compared without it.
    "text-858": written(lambda p: p.charcode("CP858"), lambda p: p.text("Reçu 12 €\n")).removeprefix("1b7413"),
}
for name, value in commands.items():
    print(name, value)
