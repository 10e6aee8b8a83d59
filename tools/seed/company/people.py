"""The people of the example company, and who follows whom."""

from dataclasses import dataclass

PEOPLE = {
    "anna": "Анна Ким",
    "boris": "Boris Gray",
    "chiara": "Chiara Rossi",
    "dmitri": "Дмитрий Ёлкин",
    "emeka": "Emeka Obi",
    "farida": "Фарида Юсупова",
    "haruto": "佐藤 陽斗",
    "ines": "Inês Carvalho",
    "katya": "Екатерина Смирнова",
    "liam": "Liam O'Connor",
    "mona": "منى حداد",
    "oleg": "Олег Петренко",
}

TESTER = "anna"
"""The person with the key `test`. She follows most people, so her feed shows nearly all tweets, and
a few people are left as suggestions to follow."""

FOLLOWS = {
    "anna": "boris chiara dmitri farida haruto ines katya liam oleg",
    "boris": "anna chiara dmitri liam katya",
    "chiara": "anna boris ines haruto mona",
    "dmitri": "anna katya oleg farida emeka",
    "emeka": "anna boris liam dmitri",
    "farida": "anna dmitri katya oleg mona",
    "haruto": "anna chiara ines boris",
    "ines": "anna chiara haruto mona liam",
    "katya": "anna dmitri farida oleg boris",
    "liam": "anna boris emeka",
    "mona": "anna ines chiara farida",
    "oleg": "anna dmitri katya",
}


@dataclass(frozen=True)
class ExampleTweet:
    """A later run recognises the tweet by author and text."""

    author: str
    text: str
    liked_by: str
    """Names separated by spaces, or `all`."""
    pictures: tuple[str, ...] = ()

    def likers(self) -> list[str]:
        names = [*PEOPLE] if self.liked_by == "all" else self.liked_by.split()
        return [name for name in names if name != self.author]
