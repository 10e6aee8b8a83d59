"""What the company says from the first day in the new office to the exhibition."""

from .people import ExampleTweet

_LONG = (
    "Что мы поняли за год с новым процессом: чертёж, который видели трое, дешевле чертежа, который "
    "видел один. Правка на бумаге стоит час, на площадке — неделю. Поэтому теперь каждое утро "
    "десять минут смотрим чужие листы. Никаких слайдов, только вопросы. Попробуйте, это заразно"
)

SPRING = [
    ExampleTweet(
        "boris",
        "First week in the new office. The light at eight in the morning is the real "
        "design award here.",
        "anna chiara ines haruto liam emeka",
        ("morning",),
    ),
    ExampleTweet(
        "dmitri",
        "Мост прошёл испытания: 40 гружёных самосвалов, прогиб 31 мм при расчётных 34. "
        "Спасибо всем, кто считал, и тем, кто пересчитывал 🌉",
        "all",
        ("bridge",),
    ),
    ExampleTweet(
        "chiara",
        "Poster series for the open day is ready. Three colours, one typeface, zero stock photos.",
        "anna boris ines haruto mona",
        ("circles", "waves", "stairs", "arch"),
    ),
    ExampleTweet(
        "anna",
        "Готово: новый планшетный стол для макетов собран. Винтов осталось всего два, и "
        "мы решили не спрашивать откуда.",
        "dmitri katya farida oleg boris liam",
    ),
    ExampleTweet(
        "haruto",
        "雨の日のスケッチ。 Sketching in the rain: the paper decides half of the lines.",
        "chiara ines anna",
        ("city",),
    ),
    ExampleTweet(
        "katya",
        "Кто забыл зонт с жирафами в переговорной «Нева»? Он сушится у Фариды.",
        "farida dmitri oleg",
    ),
    ExampleTweet(
        "emeka",
        "Deploy went out in nine minutes, rollback rehearsed in two. Boring is a feature.",
        "anna boris liam dmitri katya",
    ),
    ExampleTweet(
        "farida",
        "Планировка школы, вариант 7. Коридоров больше нет, есть улица с окнами классов. "
        "Дети на экскурсии нашли три места для пряток за минуту.",
        "anna boris chiara dmitri emeka haruto ines katya mona oleg",
        ("plan",),
    ),
    ExampleTweet(
        "ines",
        "Model day! 1:50, basswood, four people, one very steady hand.\n\n"
        "Come and see it by the lift until Friday.",
        "chiara haruto anna mona",
    ),
    ExampleTweet(
        "liam",
        "Energy model of the library: down 38 % against last year, and nobody is cold. "
        "Numbers: https://example.com/library-energy",
        "boris emeka anna dmitri",
        ("chart",),
    ),
    ExampleTweet(
        "mona",
        "قهوة الصباح قبل الاجتماع الأول ☕ The machine on the second floor is fixed!",
        "anna boris chiara emeka farida ines katya liam oleg",
        ("coffee",),
    ),
    ExampleTweet(
        "oleg",
        "Геодезия вернулась с участка: рельеф на 40 см ниже, чем на карте 1987 года. "
        "Карте верили все, кроме лягушек.",
        "dmitri katya anna farida",
        ("survey",),
    ),
    ExampleTweet("anna", _LONG, "boris dmitri katya chiara ines liam emeka"),
    ExampleTweet(
        "boris",
        "Reading group on Thursday: the chapter about doors that nobody can open. "
        "Bring your favourite bad door.",
        "liam chiara ines",
    ),
    ExampleTweet(
        "katya",
        "Разрешение на строительство получено! Четырнадцать месяцев, 312 листов, один "
        "торт. Торт на кухне.",
        "all",
        ("sunset",),
    ),
    ExampleTweet(
        "chiara",
        "Colour is a material. Today's samples under north light, noon and lamp: three "
        "different buildings.",
        "haruto ines mona",
        ("waves",),
    ),
    ExampleTweet(
        "dmitri",
        "Напоминание: в пятницу учебная тревога в 11:00. Настоящие пироги в 11:15.",
        "oleg katya farida emeka",
    ),
    ExampleTweet(
        "haruto",
        "Night walk after the deadline. Cities are best when they are not looking.",
        "anna chiara boris ines mona",
        ("night",),
    ),
    ExampleTweet(
        "emeka",
        "TIL: the longest variable name in our code is 61 characters, and it is right.",
        "liam boris",
    ),
    ExampleTweet(
        "ines",
        "Small thing that works: a shelf at the entrance where every team leaves one "
        "drawing it is not proud of. Best conversations of the week happen there.",
        "anna chiara haruto mona boris katya",
    ),
    ExampleTweet(
        "farida",
        "Спасибо команде за субботник на площадке 🌱 Двенадцать лип, одна яблоня и "
        "очень довольный прораб.",
        "katya anna oleg dmitri mona",
        ("hills",),
    ),
    ExampleTweet("liam", "If a chart needs a legend, try drawing it again.", "boris anna chiara"),
    ExampleTweet(
        "mona",
        "Three schools, one courtyard: the competition entry is in. Now we sleep.",
        "ines chiara anna farida",
        ("plan", "hills"),
    ),
    ExampleTweet(
        "oleg",
        "Дрон отлетал участок за 18 минут. Облако точек: 92 миллиона. Ноутбук просит отпуск.",
        "dmitri emeka katya",
    ),
    ExampleTweet(
        "boris",
        "Welcome to the two interns who found an error in a drawing on day one. "
        "You know who you are. You may stay.",
        "anna chiara dmitri emeka haruto katya liam oleg",
    ),
    ExampleTweet(
        "katya",
        "Вопрос к знатокам: как по-русски «handrail», если это произведение искусства?",
        "farida dmitri anna",
    ),
    ExampleTweet(
        "anna",
        "Ищем добровольцев на день открытых дверей: показать макеты, рассказать про мост, "
        "налить чаю. Записывайтесь прямо здесь ❤️",
        "boris farida katya chiara",
    ),
    ExampleTweet(
        "liam",
        "Façade mock-up survived the wind tunnel. The wind tunnel operator survived us.",
        "emeka boris ines",
        ("city",),
    ),
    ExampleTweet(
        "haruto",
        "展覧会は来週から。 The exhibition opens next week: eleven models, two films, "
        "one bench to sit on and argue.",
        "chiara ines boris anna",
        ("arch", "stairs"),
    ),
    ExampleTweet(
        "dmitri",
        "Сварной шов №214 переделан. Теперь он лучше, чем №213. Бригада №213 просит слова.",
        "oleg katya",
    ),
    ExampleTweet(
        "emeka",
        "Backups restored into an empty room today, timed, with witnesses: 11 minutes. "
        "That is the only backup metric I believe in.",
        "anna liam boris dmitri",
    ),
    ExampleTweet(
        "chiara",
        "Found the perfect red. It was in the archive, on a 1962 tram ticket.",
        "mona ines haruto anna",
        ("arch",),
    ),
]
