"""Generates names and tweets in Russian and English; the same seed gives the same texts."""

import math
from random import Random

MAX_LENGTH = 280
_MEDIAN_LENGTH, _LENGTH_SIGMA = 78, 0.55

_WOMEN = "Анна Мария Ольга Ирина Елена Дарья Вера Нина Юлия Софья Алиса Полина Ксения Тамара"
_MEN = "Иван Пётр Борис Олег Игорь Денис Артём Глеб Павел Роман Тимур Фёдор Максим Лев Юрий"
_FAMILIES = (
    "Крылов Соколов Лебедев Орлов Зайцев Медведев Волков Рябинин Берёзов Полянов Озеров Громов "
    "Снегирёв Ветров Калинин Ершов Журавлёв Котов Лугов Морозов Нилов Панов Рогов Садов Тихонов"
)
_GIVEN = (
    "Ann Kate Alice Grace Ruth Nora Emma Lucy Clara Rose Ben Tom Jack Hugh Paul Mark Neil Adam "
    "Oscar Simon Ada Joan Leo Max"
)
_SURNAMES = (
    "Baker Carter Dale Ellis Fisher Green Hill Irving Jones Kent Lane Mason Nash Owen Parker "
    "Quinn Reed Stone Turner Underhill Vaughn Wood Young Ashby Cole"
)

_RUSSIAN = {
    "when": "Сегодня|Вчера вечером|С утра|На этой неделе|После обеда|Перед отпуском|Наконец|"
    "В пятницу|За один день|Вместе с соседним отделом|Без лишнего шума|Со второй попытки",
    "did": "починили|разобрали|обсудили|проверили|нашли|отложили|показали заказчику|обновили|"
    "довели до ума|сдали|перенесли|описали|упростили|посчитали заново|спасли",
    "what": "старый отчёт|новую сборку|форму заказа|очередь писем|поиск по складу|план на квартал|"
    "страницу оплаты|договор с поставщиком|кофемашину на третьем этаже|расписание смен|"
    "макет главной страницы|резервную копию|список гостей|смету ремонта|инструкцию для новичков|"
    "график доставки|таблицу отпусков|переговорную у окна|карту маршрутов|ночную выгрузку",
    "tail": "и стало заметно быстрее|хотя никто не просил|а дальше видно будет|и все довольны|"
    "но осталось написать тесты|потому что ждать больше нельзя|и это было проще, чем казалось|"
    "теперь можно и чаю выпить|как и обещали в понедельник|а цифры сошлись до копейки",
    "short": "Готово!|Доброе утро всем.|Чай есть, печенья нет.|Ура!|Спасибо за помощь.|"
    "Хорошего дня.|Подробности позже.|Кто за?|Так и живём.|Вопросы приветствуются.",
    "say": "{when} {did} {what}.|{when} {did} {what}, {tail}.|Кто видел {what}?|"
    "Напомните, зачем мы {did} {what}?|Не верится, но мы {did} {what}, {tail}.|"
    "Завтра берёмся за {what}, присоединяйтесь.|Вопрос к залу: кто возьмёт {what}?|"
    "Мы {did} {what} и заодно {what}, {tail}.|{short}|{short}",
}
_ENGLISH = {
    "when": "Today|Last night|This morning|This week|After lunch|Just before the holidays|At last|"
    "On Friday|In a single day|Together with the team next door|Quietly|On the second try",
    "did": "fixed|took apart|discussed|checked|found|put off|demonstrated|updated|finished|"
    "shipped|moved|wrote down|simplified|counted again|rescued",
    "what": "the old report|the new build|the order form|the mail queue|the stock search|"
    "the quarterly plan|the payment page|the supplier's contract|the coffee machine upstairs|"
    "the shift schedule|the front page draft|the backup|the guest list|the repair estimate|"
    "the newcomers' guide|the delivery chart|the holiday table|the room by the window|"
    "the route map|the nightly export",
    "tail": "and it is visibly faster now|though nobody had asked|and we shall see what follows|"
    "and everyone is happy|but the tests are still to be written|since it could not wait|"
    "and it was easier than it looked|so now there is time for tea|as promised on Monday|"
    "and the figures agree to the cent",
    "short": "Done!|Good morning, everyone.|There is tea, but no biscuits.|Hooray!|"
    "Thanks for the help.|Have a good day.|More on this later.|Who is in?|Such is life.|"
    "Questions welcome.",
    "say": "{when} we {did} {what}.|{when} we {did} {what}, {tail}.|Has anyone seen {what}?|"
    "Remind me why we {did} {what}?|Hard to believe, but we {did} {what}, {tail}.|"
    "Tomorrow it is the turn of {what}, do join.|A question: who takes {what}?|"
    "We {did} {what}, and {what} too, {tail}.|{short}|{short}",
}
_LANGUAGES = [
    {slot: words.split("|") for slot, words in language.items()}
    for language in (_RUSSIAN, _ENGLISH)
]


def person_name(random: Random) -> str:
    """A given and a family name. Many people have the same one."""
    if random.random() < 0.5:
        return f"{random.choice(_GIVEN.split())} {random.choice(_SURNAMES.split())}"
    if random.random() < 0.5:
        return f"{random.choice(_WOMEN.split())} {random.choice(_FAMILIES.split())}а"
    return f"{random.choice(_MEN.split())} {random.choice(_FAMILIES.split())}"


def tweets(random: Random, count: int) -> list[str]:
    """Different tweets of one person, mostly in one language."""
    mother_tongue = random.randrange(2)
    written: dict[str, None] = {}
    while len(written) < count:
        foreign = random.random() < 0.15
        text = _text(random, _LANGUAGES[mother_tongue ^ foreign])
        if text in written:
            text = f"{text[: MAX_LENGTH - 10].rstrip()} ({len(written) + 1})"
        written.setdefault(text)
    return list(written)


def _text(random: Random, language: dict[str, list[str]]) -> str:
    """With a log-normal length, as of real tweets: most have fewer than a hundred characters."""
    target = min(MAX_LENGTH, random.lognormvariate(math.log(_MEDIAN_LENGTH), _LENGTH_SIGMA))
    text = _sentence(random, language)
    while len(text) < target - 20:
        longer = f"{text} {_sentence(random, language)}"
        if len(longer) > MAX_LENGTH:
            break
        text = longer
    return text


def _sentence(random: Random, language: dict[str, list[str]]) -> str:
    sentence = random.choice(language["say"])
    while "{" in sentence:
        head, _, rest = sentence.partition("{")
        slot, _, end = rest.partition("}")
        sentence = head + random.choice(language[slot]) + end
    return sentence
