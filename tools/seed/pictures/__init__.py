"""The pictures of the example tweets: WebP files in this folder, with a description of each."""

from pathlib import Path

FOLDER = Path(__file__).parent

DESCRIPTIONS = {
    "arch": "Poster: gates within gates, a sun and a long shadow",
    "bridge": "Вантовый мост на рассвете, вид с берега",
    "chart": "Two falling curves: heating by month, last year and this",
    "circles": "Poster: circles in three colours",
    "city": "A city of many storeys at dawn, some windows lit",
    "coffee": "A cup of coffee from above, a leaf in its foam, two biscuits",
    "hills": "Green hills one behind another, under a clear sky",
    "morning": "Sunrise over violet hills",
    "night": "The city at night, its windows lit",
    "plan": "Floor plan: classrooms on both sides of a street with trees",
    "stairs": "Poster: two flights of stairs in strong light, somebody climbs",
    "sunset": "The sun goes down behind dark hills",
    "survey": "План участка: горизонтали и отметки высот",
    "tiles": "Tiles: quarter circles turned at random",
    "waves": "Poster: bands that cover each other like cut paper",
    "whiteboard": "A whiteboard: how a tweet reaches its readers, in four markers",
}
"""The alternative text of each picture, in the language of the person who posts it."""


def read(name: str) -> bytes:
    return (FOLDER / f"{name}.webp").read_bytes()
