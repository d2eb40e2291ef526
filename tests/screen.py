# SPDX-License-Identifier: GPL-2.0-or-later
"""A display without anything on it (Xvfb), its keyboard, mouse and pictures, and the words on it as
tesseract reads them. Needs PROGRAMS."""

import csv
import difflib
import io
import os
import re
import subprocess

PROGRAMS = ("Xvfb", "xdotool", "import", "convert", "tesseract")
ZOOM = 2  # tesseract wants letters of 20 pixels and more


class Screen:
    """Pictures are kept in the folder. There is no window manager."""

    def __init__(self, folder, width, height):
        self.folder, self.width, self.height = folder, width, height
        reader, writer = os.pipe()
        argv = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24"]
        argv += ["-nolisten", "tcp", "-ac", "-noreset"]  # -ac: Wireshark runs as another user
        self.process = subprocess.Popen(
            argv, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(writer)
        with os.fdopen(reader) as file:
            self.name = f":{file.readline().strip()}"
        self.environment = {**os.environ, "DISPLAY": self.name, "OMP_THREAD_LIMIT": "1"}

    def close(self):
        self.process.terminate()
        self.process.wait(10)

    def _run(self, argv, check=True):
        return subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, check=check, timeout=60
        ).stdout

    def window(self, title):
        """The window whose title matches, or None."""
        words = ["xdotool", "search", "--onlyvisible", "--name", title]
        found = self._run(words, check=False).split()
        return found[-1] if found else None

    def key(self, *keys):
        self._run(["xdotool", "key", *keys])

    def type(self, text):
        self._run(["xdotool", "type", "--delay", "20", text])

    def take(self, window, width=None, height=None):
        """Fills the screen, or its left upper part, with it and gives it the keyboard."""
        size = [str(width or self.width), str(height or self.height)]
        self._run(["xdotool", "windowmove", window, "0", "0", "windowsize", window, *size])
        self._run(["xdotool", "windowraise", window, "windowfocus", "--sync", window])

    def click(self, x, y, times=1, button=1):
        click = ["click", "--repeat", str(times), "--delay", "60", str(button)]
        self._run(["xdotool", "mousemove", str(x), str(y), *click])

    def point(self, x, y):
        self._run(["xdotool", "mousemove", str(x), str(y)])

    def picture(self, name):
        path = os.path.join(self.folder, f"{name}.png")
        self._run(["import", "-window", "root", path])
        return path

    def changed(self, before):
        """The part of the screen ("WxH+X+Y") in which it is not as in a picture of earlier: an
        opened menu. None: it is the same."""
        argv = ["convert", before, self.picture("now"), "-compose", "difference", "-composite"]
        argv += ["-colorspace", "Gray", "-threshold", "5%", "-format", "%@ %[fx:maxima]", "info:"]
        part, most = self._run(argv).split()
        return part if float(most) > 0 else None

    def _table(self, name, crop):
        path, large = self.picture(name), os.path.join(self.folder, f"{name}-large.png")
        scale = ["-crop", crop, "+repage", "-colorspace", "Gray", "-resize", f"{ZOOM * 100}%"]
        self._run(["convert", path, *scale, large])
        table = self._run(["tesseract", large, "-", "--psm", "11", "tsv"])
        os.unlink(large)
        rows = csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row for row in rows if (row["text"] or "").strip()]

    def words(self, name, crop=None):
        """[(text, x, y)] of what a picture shows, x and y the middle of each word."""
        crop = crop or f"{self.width}x{self.height}+0+0"
        left, top = map(int, crop.split("+")[1:])
        return [
            (
                row["text"],
                left + (int(row["left"]) + int(row["width"]) // 2) // ZOOM,
                top + (int(row["top"]) + int(row["height"]) // 2) // ZOOM,
            )
            for row in self._table(name, crop)
        ]

    def text(self, name, crop=None):
        """All words of a picture, in the order tesseract finds them."""
        return " ".join(word for word, _, _ in self.words(name, crop))

    def find(self, name, phrase, crop=None, last=False):
        """(x, y) of a phrase, its words beside each other, where it is first (or last); None if it
        is nowhere."""
        words = self.words(name, crop)
        wanted = phrase.split()
        found = None
        for i, (_, x, y) in enumerate(words):
            there = words[i : i + len(wanted)]
            if len(there) == len(wanted) and all(
                alike(word[0], other) and abs(word[2] - y) < 8
                for word, other in zip(there, wanted)
            ):
                found = (x + there[-1][1]) // 2, y
                if not last:
                    break
        return found


def alike(word, other):
    """Nearly: dots, arrows and letters like rn and m come as anything."""
    word, other = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (word, other))
    return difflib.SequenceMatcher(None, word, other).ratio() > 0.84
