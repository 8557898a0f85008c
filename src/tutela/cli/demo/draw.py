"""Draws pictures by code: invented landscapes that nobody ever photographed."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1280, 960


def landscape(seed: int) -> Image.Image:
    """Draw one landscape, 1280 x 960 RGB; the same seed gives the same pixels."""
    random = np.random.default_rng(seed)
    picture = Image.fromarray(_sky(random))
    draw = ImageDraw.Draw(picture)
    _sun(draw, random)
    horizon = HEIGHT * random.uniform(0.3, 0.5)
    for layer in range(5):
        _hills(draw, random, horizon + layer * HEIGHT * 0.11, layer)
    for _ in range(int(random.integers(6, 14))):
        _house(draw, random)
    grain = random.normal(0, 5, (HEIGHT, WIDTH, 1))
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float32) + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _sky(random: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    top, bottom = random.uniform(30, 160, 3), random.uniform(120, 250, 3)
    down = np.linspace(0, 1, HEIGHT)[:, None, None]
    across = np.linspace(-1, 1, WIDTH)[None, :, None] * random.uniform(-40, 40)
    return (top * (1 - down) + bottom * down + across).clip(0, 255).astype(np.uint8)


def _sun(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    x, y = random.uniform(0.1, 0.9) * WIDTH, random.uniform(0.08, 0.3) * HEIGHT
    size = random.uniform(40, 110)
    draw.ellipse((x - size, y - size, x + size, y + size), fill=(250, 235, 190))


def _hills(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, level: float, layer: int
) -> None:
    x = np.arange(0, WIDTH + 20, 10)
    waves = np.zeros(len(x))
    for _ in range(4):
        phase = x / WIDTH * random.uniform(2, 22) + random.uniform(0, 6)
        waves += random.uniform(8, 70) * np.sin(phase)
    colour = tuple(int(v) for v in random.uniform(30, 170, 3) / (1 + layer * 0.25))
    line = [(int(a), int(b)) for a, b in zip(x, level + waves, strict=True)]
    draw.polygon([(0, HEIGHT), *line, (WIDTH, HEIGHT)], fill=colour)


def _house(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    x, y = random.uniform(0, WIDTH), random.uniform(0.5, 0.92) * HEIGHT
    w, h = random.uniform(30, 130), random.uniform(30, 110)
    wall = tuple(int(v) for v in random.uniform(60, 240, 3))
    roof = tuple(int(v) for v in random.uniform(20, 150, 3))
    draw.rectangle((x, y, x + w, y + h), fill=wall)
    draw.polygon([(x - 8, y), (x + w / 2, y - h * 0.6), (x + w + 8, y)], fill=roof)
    draw.rectangle((x + w * 0.4, y + h * 0.5, x + w * 0.6, y + h), fill=roof)
