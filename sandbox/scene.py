"""Small drawn landscapes. A hash of prompt and seed decides everything, except that some words of
the prompt choose the motif and its colours."""

import colorsys
import hashlib
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageOps

Colour = tuple[int, int, int]
Draw = ImageDraw.ImageDraw
Line = list[tuple[float, float]]
Motif = Literal["hills", "waves", "city", "space", "orbs"]

_MOTIFS: tuple[Motif, ...] = ("hills", "waves", "city", "space", "orbs")
_MOTIF_WORDS: dict[Motif, re.Pattern[str]] = {
    "city": re.compile("city|street|building|tokyo|paris|york|neon|robot|tower|cyber"),
    "waves": re.compile("wave| sea|ocean|beach|lake|water|boat|ship|fish|river"),
    "space": re.compile("space|planet|galaxy|star|moon|rocket|astronaut|mars|universe|cosmic"),
    "orbs": re.compile("abstract|pattern|logo|colou?r|dream|music|icon|bubble|light"),
    "hills": re.compile(
        "fox|snow|forest|hill|mountain|tree|cat|dog|field|landscape|sunset|garden|house"
    ),
}
_PALETTE_WORDS = {
    "night": re.compile("night|dark|moon|star|space|galaxy|neon"),
    "snow": re.compile("snow|winter|ice|frozen|cold|arctic"),
    "dusk": re.compile("sunset|dusk|evening|dawn|sunrise|dream|fire"),
    "autumn": re.compile("autumn|fall|fox|desert|mars|orange"),
    "forest": re.compile("forest|green|spring|garden|tree|jungle|frog"),
    "day": re.compile("day|sun|summer|sky|beach|sea"),
}


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours from the top of the sky to the nearest ground."""

    top: Colour
    horizon: Colour
    light: Colour
    far: Colour
    near: Colour


_PALETTES = {
    "day": Palette((74, 144, 217), (253, 232, 199), (255, 247, 214), (146, 181, 208), (24, 66, 84)),
    "dusk": Palette((49, 38, 96), (255, 157, 107), (255, 226, 168), (170, 92, 124), (34, 20, 54)),
    "night": Palette((6, 11, 36), (55, 74, 140), (240, 240, 222), (52, 68, 122), (6, 10, 28)),
    "snow": Palette(
        (132, 172, 210), (240, 240, 246), (255, 252, 238), (176, 199, 220), (248, 251, 255)
    ),
    "forest": Palette(
        (147, 205, 196), (251, 244, 210), (255, 250, 220), (134, 181, 152), (14, 54, 44)
    ),
    "autumn": Palette(
        (236, 150, 92), (255, 235, 196), (255, 250, 226), (208, 130, 80), (84, 34, 28)
    ),
}


@dataclass(frozen=True, slots=True)
class Scene:
    motif: Motif
    palette: Palette
    number: int
    stars: bool
    snowing: bool
    trees: bool


def scene_for(prompt: str, seed: int | None) -> Scene:
    """Return the same scene for the same prompt and seed on every machine."""
    digest = hashlib.sha256(f"{seed}|{prompt}".encode()).digest()
    words = prompt.lower()
    by_word = (motif for motif, hint in _MOTIF_WORDS.items() if hint.search(words))
    motif = next(by_word, _MOTIFS[digest[8] % len(_MOTIFS)])
    named = (name for name, hint in _PALETTE_WORDS.items() if hint.search(words))
    name = next(named, sorted(_PALETTES)[digest[9] % len(_PALETTES)])
    if motif == "space":
        name = "night"
    return Scene(
        motif,
        _turned(_PALETTES[name], (digest[10] / 255 - 0.5) * 0.08),
        int.from_bytes(digest[:8], "big"),
        stars=name == "night",
        snowing="snow" in words or (name == "snow" and motif in {"hills", "city"}),
        trees=motif == "hills" and name in {"forest", "snow", "dusk", "night"},
    )


def _turned(palette: Palette, by: float) -> Palette:
    def turn(colour: Colour) -> Colour:
        hue, light, full = colorsys.rgb_to_hls(*(part / 255 for part in colour))
        return _of_hue(hue + by, light, full)

    top, horizon, far, near = map(turn, (palette.top, palette.horizon, palette.far, palette.near))
    return Palette(top, horizon, palette.light, far, near)


def _of_hue(hue: float, light: float, full: float) -> Colour:
    red, green, blue = (round(part * 255) for part in colorsys.hls_to_rgb(hue % 1, light, full))
    return red, green, blue


def mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


class Painter:
    """Draws one scene at one size; `frame(seconds)` is the scene at that moment."""

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        self._scene = scene
        self._wide, self._high = size
        self._unit = min(size) / 100
        chance = random.Random(scene.number)  # noqa: S311 - repeatable pictures are the point
        self._phases = [chance.uniform(0, math.tau) for _ in range(24)]
        self._points = [(chance.random(), chance.random(), chance.random()) for _ in range(160)]
        self._sun = (chance.uniform(0.22, 0.78), chance.uniform(0.2, 0.36))
        self._sky = self._paint_sky()
        self._orbs = self._soft_discs() if scene.motif == "orbs" else []

    def frame(self, seconds: float) -> Image.Image:
        image = self._sky.copy()
        draw = ImageDraw.Draw(image)
        painters: dict[Motif, Callable[[Image.Image, Draw, float], None]] = {
            "hills": self._hills,
            "waves": self._waves,
            "city": self._city,
            "space": self._space,
            "orbs": self._floating,
        }
        painters[self._scene.motif](image, draw, seconds)
        if self._scene.snowing:
            self._snow(draw, seconds)
        return image

    def _paint_sky(self) -> Image.Image:
        palette = self._scene.palette
        ramp = Image.linear_gradient("L").resize(
            (self._wide, self._high), Image.Resampling.BILINEAR
        )
        sky = ImageOps.colorize(
            ramp, palette.top, palette.horizon, mid=mix(palette.top, palette.horizon, 0.42)
        )
        draw = ImageDraw.Draw(sky)
        if self._scene.stars:
            for x, y, bright in self._points:
                radius = self._unit * (0.12 + 0.32 * bright**4)
                colour = mix(palette.top, (255, 255, 255), 0.35 + 0.65 * bright)
                self._disc(draw, x * self._wide, y * self._high * 0.75, radius, colour)
        if self._scene.motif != "orbs":
            x, y = self._sun[0] * self._wide, self._sun[1] * self._high
            self._glow(sky, x, y, self._unit * 46, palette.light, 0.55)
            radius = self._unit * (7 if self._scene.stars else 9)
            self._disc(ImageDraw.Draw(sky), x, y, radius, palette.light)
        return sky

    @staticmethod
    def _disc(draw: Draw, x: float, y: float, radius: float, colour: Colour) -> None:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    @staticmethod
    def _glow(
        image: Image.Image, x: float, y: float, radius: float, colour: Colour, strength: float
    ) -> None:
        side = max(2, int(radius * 2))
        mask = ImageChops.invert(Image.radial_gradient("L")).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        mask = mask.point(
            [max(0, int((level - 75) / 180 * 255 * strength)) for level in range(256)]
        )
        place = int(x - radius), int(y - radius)
        image.paste(Image.new("RGB", (side, side), colour), place, mask)

    def _ridge(
        self, base: float, height: float, phase: int, shift: float, detail: float = 1.0
    ) -> Line:
        """Return a line of hills from left to right, in pixels."""
        one, two, three = (self._phases[(phase + step) % 24] for step in (0, 7, 13))
        span = self._wide / self._high
        points = []
        for step in range(97):
            x = step / 96
            at = x * span * detail + shift
            y = math.sin(at * 2.1 + one) + 0.5 * math.sin(at * 5.3 + two)
            y += 0.22 * math.sin(at * 11.7 + three)
            points.append((x * self._wide, (base - y * height / 1.7) * self._high))
        return points

    def _ground(self, draw: Draw, line: Line, colour: Colour) -> None:
        draw.polygon([*line, (self._wide, self._high), (0, self._high)], fill=colour)

    def _hills(self, image: Image.Image, draw: Draw, seconds: float) -> None:
        palette = self._scene.palette
        for layer in range(5):
            share = layer / 4
            base, height = 0.46 + 0.115 * layer, 0.085 - 0.008 * layer
            shift, detail = seconds * (0.03 + 0.06 * layer), 0.8 + 0.2 * (4 - layer)
            line = self._ridge(base, height, layer * 3, shift, detail)
            colour = mix(mix(palette.far, palette.horizon, 0.35), palette.near, share**1.15)
            if self._scene.trees and layer in {2, 3}:
                dark = mix(colour, (10, 34, 40), 0.5 if self._scene.snowing else 0.25)
                self._pines(draw, line, dark, layer)
            self._ground(draw, line, colour)

    def _pines(self, draw: Draw, line: Line, colour: Colour, layer: int) -> None:
        for step in range(2, 97, 3):
            chance = self._points[(step * layer) % 160]
            if chance[2] < 0.35:
                continue
            x, y = line[step]
            tall = self._unit * (3.5 + 4.5 * chance[0]) * (0.6 + 0.3 * layer)
            for part in (0.0, 0.28, 0.52):
                half, top = tall * (0.3 - part * 0.3), y - tall * (0.35 + part) - tall * 0.3
                foot = y - tall * part + tall * 0.05
                draw.polygon([(x, top), (x - half, foot), (x + half, foot)], fill=colour)

    def _waves(self, image: Image.Image, draw: Draw, seconds: float) -> None:
        palette = self._scene.palette
        sea = int(self._high * 0.55)
        water = mix(palette.far, palette.horizon, 0.25)
        draw.rectangle((0, sea, self._wide, self._high), fill=water)
        x = self._sun[0] * self._wide
        for stripe in range(9):
            y = sea + self._unit * (1.5 + stripe * 2.4)
            swell = 0.75 + 0.25 * math.sin(seconds * 2.4 + stripe * 1.7)
            half = self._unit * (3 + stripe * 1.6) * swell
            box = (x - half, y, x + half, y + self._unit * 0.8)
            colour = mix(palette.light, palette.far, 0.2 + stripe * 0.06)
            draw.rounded_rectangle(box, self._unit * 0.4, fill=colour)
        for layer in range(5):
            way = 1 if layer % 2 else -1
            base = 0.62 + 0.085 * layer + 0.008 * math.sin(seconds * 1.6 + layer)
            height, shift = 0.022 + 0.007 * layer, way * seconds * (0.35 + 0.1 * layer)
            line = self._ridge(base, height, layer * 4, shift, 2.2 - 0.25 * layer)
            colour = mix(palette.far, palette.near, 0.15 + 0.85 * layer / 4)
            crest = [(px, py - self._unit * 0.7) for px, py in line]
            self._ground(draw, crest, mix(colour, palette.light, 0.4))
            self._ground(draw, line, colour)

    def _city(self, image: Image.Image, draw: Draw, seconds: float) -> None:
        palette = self._scene.palette
        for layer in range(3):
            colour = mix(mix(palette.far, palette.horizon, 0.25), palette.near, 0.15 + layer * 0.42)
            width = self._unit * (9 + layer * 4)
            shift = seconds * self._unit * (0.6 + layer * 1.2)
            for house in range(-1, int(self._wide / width) + 2):
                left = house * width - shift % width
                number = house + int(shift // width)
                chance = self._points[(number * 7 + layer * 31) % 160]
                top = self._high * (0.34 + 0.13 * layer + 0.22 * chance[0])
                right = left + width * (0.82 + 0.18 * chance[1])
                draw.rectangle((left, top, right, self._high), fill=colour)
                if layer:
                    self._windows(draw, (left, top, width * 0.8), number + layer * 50, seconds)

    def _windows(
        self,
        draw: Draw,
        house: tuple[float, float, float],
        number: int,
        seconds: float,
    ) -> None:
        left, top, width = house
        pane = width / 8
        for row in range(int((self._high - top) / (pane * 2.2))):
            for column in range(4):
                chance = self._points[(number * 13 + row * 5 + column * 3) % 160]
                if chance[0] + 0.12 * math.sin(seconds * 1.5 + chance[1] * 40) < 0.55:
                    continue
                x, y = left + pane * (0.8 + column * 1.9), top + pane * (1 + row * 2.2)
                light = mix((255, 214, 130), (255, 246, 214), chance[2])
                draw.rectangle((x, y, x + pane, y + pane * 1.2), fill=light)

    def _space(self, image: Image.Image, draw: Draw, seconds: float) -> None:
        palette = self._scene.palette
        colour = _of_hue(self._points[0][0], 0.62, 0.6)
        x = self._wide * (0.5 + 0.06 * math.sin(seconds * 0.5 + self._phases[1]))
        y = self._high * (0.52 + 0.02 * math.sin(seconds * 0.8))
        radius = self._unit * 24
        self._disc(draw, x, y, radius, mix(colour, (0, 0, 0), 0.55))
        dark, bright = mix(colour, (0, 0, 0), 0.5), mix(colour, (255, 255, 255), 0.5)
        for ring in range(14):
            share = ring / 13
            shift, size = radius * 0.3 * share, radius * (1 - 0.62 * share)
            self._disc(draw, x - shift, y - shift, size, mix(dark, bright, share))
        box = (x - radius * 1.8, y - radius * 0.42, x + radius * 1.8, y + radius * 0.42)
        for width, tone in ((1.8, 0.2), (0.7, 0.6)):
            pen = max(1, round(self._unit * width))
            draw.arc(box, 350, 190, fill=mix(colour, palette.light, tone), width=pen)
        turn = seconds * 0.7 + self._phases[2]
        x, y = x + math.cos(turn) * radius * 2, y + math.sin(turn) * radius * 0.8 - radius * 0.4
        self._disc(draw, x, y, self._unit * 3.4, mix(palette.light, colour, 0.3))

    def _soft_discs(self) -> list[tuple[Image.Image, Colour]]:
        discs = []
        for index in range(7):
            chance = self._points[index]
            side = max(4, int(self._unit * (34 + 50 * chance[2])))
            edge = Image.new("L", (side * 2, side * 2), 0)
            ImageDraw.Draw(edge).ellipse((2, 2, side * 2 - 2, side * 2 - 2), fill=150)
            colour = _of_hue(self._points[0][0] + index * 0.09, 0.62, 0.75)
            discs.append((edge.reduce(2), colour))
        return discs

    def _floating(self, image: Image.Image, draw: Draw, seconds: float) -> None:
        for index, (mask, colour) in enumerate(self._orbs):
            chance = self._points[index]
            across = 0.07 * math.sin(seconds * 0.9 + self._phases[index])
            down = 0.07 * math.cos(seconds * 0.8 + self._phases[index + 8])
            x = (0.12 + 0.76 * chance[0] + across) * self._wide
            y = (0.1 + 0.7 * chance[1] + down) * self._high
            place = int(x - mask.width / 2), int(y - mask.height / 2)
            image.paste(Image.new("RGB", mask.size, colour), place, mask)

    def _snow(self, draw: Draw, seconds: float) -> None:
        for index, (x, y, near) in enumerate(self._points[:110]):
            fall = (y + seconds * (0.05 + 0.13 * near)) % 1.04
            drift = x + 0.015 * math.sin(seconds * 1.2 + index)
            radius = self._unit * (0.22 + 0.62 * near**2)
            self._disc(draw, drift * self._wide, fall * self._high, radius, (255, 255, 255))
