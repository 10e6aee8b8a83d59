"""The newer example tweets, oldest first."""

from .people import ExampleTweet

SUMMER = [
    ExampleTweet(
        "anna",
        "Коротко о главном на неделе:\n\n"
        "• понедельник — макет школы у заказчика\n"
        "• среда — приёмка моста\n"
        "• пятница — никаких совещаний, серьёзно",
        "dmitri katya farida oleg boris ines emeka",
    ),
    ExampleTweet(
        "emeka",
        "Whiteboard of the day. Nobody has dared to wipe it since Tuesday, "
        "so I suppose it is the specification now.",
        "anna boris liam dmitri katya oleg",
        ("whiteboard",),
    ),
    ExampleTweet("liam", "Does anybody have the key to the plotter room?", ""),
    ExampleTweet(
        "oleg",
        "Первый луч на площадке в 4:52. Бетон схватился, бригада пьёт чай, лес молчит.",
        "anna dmitri katya farida mona haruto",
        ("morning", "survey"),
    ),
    ExampleTweet(
        "ines",
        "Site visit in three acts:\n1. We know exactly where the column goes.\n"
        "2. There is a tree.\n3. The column goes somewhere else. 🌳",
        "anna chiara haruto liam mona boris farida",
        ("hills",),
    ),
    ExampleTweet(
        "boris",
        "A year ago we stopped sending drawings by mail and began to discuss them here. We counted "
        "what changed: half the meetings, a third of the revisions, and twice the arguments, "
        "because now everyone can see the same line at the same moment and ask why. Keep asking: "
        "it's a good habit.",
        "anna chiara dmitri emeka farida haruto ines katya liam",
    ),
    ExampleTweet(
        "farida",
        "Дети прислали рисунки будущей школы. На восьми из десяти есть горка с крыши. "
        "Конструкторы, ваш выход 😄",
        "anna dmitri katya oleg mona ines chiara boris",
    ),
    ExampleTweet(
        "chiara",
        "Tile study no. 4 for the swimming hall. One shape, five colours, four turns. "
        "It never repeats, and neither does the tiler's opinion of me.",
        "haruto ines mona anna boris liam",
        ("tiles",),
    ),
    ExampleTweet(
        "dmitri",
        "Нормы ветровой нагрузки, коротко и по-человечески: https://example.com/wind — "
        "собрал для новичков, дополняйте.",
        "oleg katya emeka",
    ),
    ExampleTweet(
        "mona",
        "مساء الخير من الموقع. Evening light on the model, and no filter at all.",
        "chiara ines anna haruto farida",
        ("sunset", "arch"),
    ),
    ExampleTweet(
        "katya",
        "Совещание, которое могло быть твитом, стало твитом: фасад — вариант «Б», "
        "сроки прежние, печенье закончилось.",
        "anna boris dmitri farida oleg emeka liam ines",
    ),
    ExampleTweet(
        "haruto",
        "階段は時間です。 A staircase is a drawing of time. Eleven studies are on the wall by "
        "the lift, the twelfth is the lift.",
        "chiara anna ines",
        ("stairs",),
    ),
    ExampleTweet("oleg", "Кто едет на площадку в четверг? Есть два места и термос.", "dmitri"),
    ExampleTweet(
        "emeka",
        "New in the viewer: paste a link to a sheet and it opens at the very detail. "
        "How it works: https://example.com/viewer/links\n\nTell me what breaks. 🔍",
        "boris liam anna katya",
    ),
    ExampleTweet(
        "liam",
        "Four seasons of the same roof: what it saves, what it sees, where it stands, "
        "and what it looks like when all of us have gone home.",
        "anna boris ines chiara emeka haruto mona",
        ("chart", "morning", "plan", "night"),
    ),
    ExampleTweet(
        "anna",
        "Сегодня нам десять лет. Было трое, один стол и чужой принтер. Теперь нас двенадцать, "
        "столов пять, а принтер по-прежнему чужой. Спасибо, что вы есть 🎂",
        "all",
        ("city",),
    ),
    ExampleTweet(
        "ines",
        "Obrigada to everyone who came to the open day! 214 visitors, 9 models, 1 lost mitten.",
        "chiara mona haruto",
        ("circles", "waves"),
    ),
    ExampleTweet("boris", "Monday. ☕", "mona emeka", ("coffee",)),
]
