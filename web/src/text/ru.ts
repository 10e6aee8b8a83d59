/** The page's words in Russian. */

import type { Words } from "./en";
import { compact, plurals } from "./plurals";
import { units } from "./units";

const many = plurals("ru");
const list = new Intl.ListFormat("ru");
const { bytes, millions } = units("ru", { kB: "кБ", MB: "МБ" });

export const ru: Words = {
  claim: "О чём говорят у вас в компании.",

  home: "Лента",
  people: "Люди",
  profile: "Профиль",
  notifications: "Уведомления",
  activity: "События",
  unread: (n: string) => `непрочитанных: ${n}`,
  settings: "Настройки",
  administration: "Управление",
  close: "Закрыть",
  cancel: "Отмена",
  skip: "Перейти к содержанию",
  navigation: "Разделы",
  nothingHere: "Страница не найдена",
  nothingHereMore: "Проверьте адрес: возможно, её удалили.",
  toHome: "Перейти в ленту",

  signIn: "Войти",
  signingIn: "Входим…",
  signOut: "Выйти",
  key: "Ваш ключ доступа",
  keyHint: "Вы получили его вместе с учётной записью. Потеряли? Попросите у администратора новый.",
  keyWrong: "Ключ не подошёл. Проверьте, что скопировали его целиком.",
  signedOut: "Сеанс завершён.",
  signedOutDraft: "Черновик сохранён.",
  showKey: "Показать",
  hideKey: "Скрыть",

  popular: "Популярные",
  recent: "Новые",
  following: "Подписки",
  everyone: "Все",
  order: "Сортировка",
  whose: "Чьи твиты показывать",
  showReplies: { conversations: "Обсуждения", none: "Без ответов", all: "Все" },
  leftOut: {
    conversations:
      "Когда те, кого вы читаете, отвечают друг другу, лента показывает исходный твит. Остальные ответы скрыты.",
    none: "Ответы скрыты.",
    all: "Показаны все ответы.",
  },
  period: "За какое время",
  periods: { week: "За неделю", month: "За месяц", all: "За всё время" },
  conversation: (n: number, names: string[], others: number) => {
    const rest = others > 0 ? [many(others, { other: "ещё #" })] : [];
    const replies = many(n, { one: "# ответ", few: "# ответа", other: "# ответов" });
    return `${replies}: ${list.format([...names, ...rest])}`;
  },
  yourself: "вы",
  followedTag: (tag: string) => `Вы читаете #${tag}`,
  inReplyTo: (name: string) => `В ответ: ${name}`,
  inReplyToGone: "В ответ на твит, которого больше нет",
  feedOf: { following: "Твиты ваших подписок", everyone: "Все твиты" },
  newTweets: (n: number) =>
    n >= 20
      ? "Больше 20 новых твитов"
      : many(n, { one: "# новый твит", few: "# новых твита", other: "# новых твитов" }),
  loading: "Загружаем…",
  more: "Показать ещё",
  end: "Вы всё прочитали",
  emptyFollowing: "Подпишитесь на коллег, и здесь появятся их твиты",
  emptyFollowingMore: "На них подписаны многие",
  emptyEveryone: "Пока ни одного твита",
  firstTweet: "Написать первый твит",
  showFeed: "Показать мою ленту",
  showEveryone: "Показать твиты всех",
  standsIn: "Вы пока ни на кого не подписаны, поэтому здесь твиты всех.",
  suggestions: "На кого подписаться",
  allPeople: "Показать всех",

  write: "Написать",
  writeTitle: "Новый твит",
  prompt: "Что нового?",
  post: "Опубликовать",
  posting: "Публикуем…",
  posted: "Твит опубликован",
  replyTitle: "Новый ответ",
  replyPrompt: "Напишите ответ",
  replied: "Ответ опубликован",
  completions: "Подсказки",
  suggested: (n: number) =>
    many(n, {
      one: "# подсказка. Выбирайте стрелками.",
      few: "# подсказки. Выбирайте стрелками.",
      other: "# подсказок. Выбирайте стрелками.",
    }),
  personNumber: (id: number) => `№ ${id}`,
  ambiguous: (text: string) =>
    `Имя «${text.replace("@", "")}» носят несколько человек, поэтому никто не упомянут. Выбирайте из списка, когда пишете.`,
  whoMayReply: "Кто может отвечать",
  mayReply: { everyone: "Все", following: "Те, кого вы читаете", nobody: "Никто" },
  view: "Открыть",
  charactersLeft: (n: number) =>
    n >= 0
      ? many(n, { one: "Остался # знак", few: "Осталось # знака", other: "Осталось # знаков" })
      : many(-n, { one: "# лишний знак", few: "# лишних знака", other: "# лишних знаков" }),
  addPictures: "Добавить картинки",
  dropPictures: "Отпустите, чтобы добавить",
  removePicture: (n: number) => `Убрать картинку ${n}`,
  alt: (n: number) => `Описание картинки ${n}`,
  altPrompt: "Опишите, что на картинке",
  pictureFailed: "Не загрузилась",
  pictureSending: (percent: number) => `Загрузка: ${percent} %`,
  unfit: {
    kind: "Можно добавить только картинки JPEG, PNG, WebP и GIF.",
    number: "Можно добавить до четырёх картинок.",
  },
  firstFrameOnly: "Это анимированный PNG: сохранён только первый кадр.",
  draftKept: "Черновик сохранён.",
  cancelPosting: "Отменить публикацию",

  reply: "Ответить",
  replyCount: (n: number) => many(n, { one: "# ответ", few: "# ответа", other: "# ответов" }),
  like: "Нравится",
  unlike: "Убрать «Нравится»",
  likes: (n: number) => many(n, { other: "Нравится: #" }),
  compact: compact("ru"),
  likedBy: "Кому понравилось",
  copyLink: "Скопировать ссылку",
  linkCopied: "Ссылка скопирована",
  moreActions: "Другие действия",
  delete: "Удалить",
  deleted: "Твит удалён",
  undo: "Отменить",
  picture: (n: number, of: number) => `Картинка ${n} из ${of}`,
  openPicture: (n: number, of: number) => `Открыть картинку ${n} из ${of}`,
  longPicture: "Открыть картинку целиком",
  pictureGone: "Картинка не загрузилась",
  previous: "Предыдущая картинка",
  next: "Следующая картинка",
  tweetBy: (name: string) => `Твит: ${name}`,
  justNow: "сейчас",

  thread: "Обсуждение",
  back: "Назад",
  replies: "Ответы",
  replyBy: (name: string, to: string) => `Ответ: ${name} → ${to}`,

  tagsOfTheWeek: "Хештеги недели",
  tweetCount: (n: number) => many(n, { one: "# твит", few: "# твита", other: "# твитов" }),
  tweetsWith: (tag: string) => `Твиты с #${tag}`,

  follow: "Читать",
  unfollow: "Отписаться",
  followed: "Читаю",
  you: "Это вы",
  followers: (n: number) =>
    many(n, { one: "# подписчик", few: "# подписчика", other: "# подписчиков" }),
  followingCount: (n: number) =>
    many(n, { one: "# подписка", few: "# подписки", other: "# подписок" }),
  tweets: "Твиты",
  media: "Медиа",
  likesTab: "Нравится",
  followersTab: "Подписчики",
  followingTab: "Подписки",
  noneOf: {
    tweets: () => "Пока нет твитов",
    replies: () => "Пока нет ответов",
    media: () => "Пока нет картинок",
    likes: () => "Пока ничего не понравилось",
    followers: () => "Пока нет подписчиков",
    following: () => "Пока нет подписок",
  },
  noneOfYours: {
    tweets: "Вы ещё ничего не написали",
    replies: "Вы ещё никому не ответили",
    media: "Вы ещё не публиковали картинок",
    likes: "Вам пока ничего не понравилось",
    followers: "На вас пока никто не подписан",
    following: "Вы пока ни на кого не подписаны",
  },
  noPerson: "Профиль не найден",
  noPersonMore: "Проверьте адрес: возможно, профиль удалён.",
  search: "Найти людей по имени",
  searchAll: "Поиск",
  searchTweets: (query: string) => `Искать твиты: «${query}»`,
  found: (n: number) =>
    many(n, { one: "Найден # человек", few: "Найдено # человека", other: "Найдено # человек" }),
  noneFound: (name: string) => `По запросу «${name}» никого не нашлось`,
  findPeople: "Найти людей",
  rename: "Сменить имя",
  name: "Имя",

  languageTitle: "Язык",
  shortcuts: "Сочетания клавиш",

  aboutWarble: "О Warble",
  inviteAgain: "Новое приглашение",
  writeTweet: "Написать твит",

  offline: "Нет связи. То, что вы видите, могло устареть.",
  unreachable: "Warble не отвечает",
  tryAgain: "Попробовать ещё раз",
  failed: "Не получилось",
  reasons: {
    Offline: "Нет связи. Попробуйте, когда она появится.",
    Unreadable: "Сервер ответил непонятно. Попробуйте чуть позже.",
    ReadOnlyKey: "Ваш ключ только для чтения.",
    SessionChanged: "В этом браузере вошёл кто-то другой.",
    NotSignedIn: "Сеанс завершён. Войдите снова.",
    NotAModerator: "Это могут делать только модераторы.",
    NotAnAnnouncer: "Это могут делать только те, кому разрешены объявления.",
    TweetNotFound: "Этого твита больше нет.",
    RepliesRestricted: "Автор ограничил, кто может отвечать на этот твит.",
    MentionNotAccepted: "Кого-то из упомянутых уже нет в Warble. Выберите упоминания заново.",
    TooManyMentions: "Упомянуто слишком много людей.",
    TweetAlreadyDeleted: "Твит был опубликован и потом удалён. Опубликуйте снова: будет новый.",
    TweetEmpty: "Сначала напишите что-нибудь.",
    TweetTooLong: "Текст слишком длинный.",
    TextNotAccepted: "В тексте есть недопустимые знаки.",
    NotTheAuthor: "Удалять можно только свои твиты.",
    UserNotFound: "Этого профиля больше нет.",
    CannotFollowYourself: "На себя подписаться нельзя.",
    MediaNotFound: "Загруженная картинка устарела. Нажмите «Опубликовать» ещё раз.",
    MediaTaken: "Эта картинка уже есть в другом твите. Добавьте её заново.",
    NotYourMedia: "Одну из картинок загрузил кто-то другой. Добавьте её заново.",
    TooManyImages: "Слишком много картинок.",
    ImageTooLarge: "Картинка слишком большая.",
    ImageTooManyPixels: "В картинке слишком много пикселей.",
    ImageTooManyFrames: "В анимации слишком много кадров.",
    ImageTooCostly: "Картинка слишком сложная, уменьшите её.",
    ImageNotAccepted: "Не удаётся открыть этот файл как картинку.",
    AltNotAccepted: "Описание картинки слишком длинное, или в нём есть недопустимые знаки.",
    PayloadTooLarge: "Столько отправить нельзя.",
    InvalidRequest: "Warble не принял эти данные. Проверьте, что вы ввели.",
    TooManyRequests: "Слишком часто. Попробуйте чуть позже.",
    RequestTimeout: "Отправка заняла слишком много времени. Попробуйте ещё раз.",
    InternalError: "Неполадка на нашей стороне. Попробуйте чуть позже.",
    BadGateway: "В Warble неполадки. Попробуйте чуть позже.",
    ServiceUnavailable: "Часть Warble сейчас недоступна. Попробуйте чуть позже.",
    ServiceOverloaded: "Warble сейчас перегружен. Попробуйте чуть позже.",
    ServiceTimeout: "Это заняло слишком много времени. Попробуйте чуть позже.",
  },
  limits: {
    ImageTooLarge: ({ limit, actual }) =>
      `Картинка: не больше ${bytes(limit)}, а эта весит ${bytes(actual, true)}.`,
    ImageTooManyPixels: ({ limit, actual }) =>
      `В картинке может быть до ${millions(limit)} млн пикселей, а в этой ${millions(actual, true)} млн (кадры анимации считаются вместе).`,
    ImageTooManyFrames: ({ limit, actual }) =>
      `В анимации может быть до ${limit} кадров, а в этой ${actual}.`,
    ImageTooCostly: ({ memory_bytes, seconds, stored_bytes }) =>
      `Картинка слишком сложная: ей нужно больше ${bytes(memory_bytes)} памяти, ${seconds} с работы процессора или ${bytes(stored_bytes)} места. Уменьшите её.`,
    NameNotAccepted: ({ limit }) => `Имя: от 1 до ${limit} знаков, в одну строку.`,
    PayloadTooLarge: ({ limit, actual = limit + 1 }) =>
      `Можно отправить до ${bytes(limit)}, а здесь ${bytes(actual, true)}.`,
  },
};
