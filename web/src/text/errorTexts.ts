/**
 * Texts of the errors that cannot occur in the first view, in both languages. They are fetched later, because
 * the size of the first script is limited. The other errors are in `firstViewTexts.*.ts`.
 */

import type { ApiError, Details } from "../api/client";
import { preferences } from "../state/preferences.svelte";
import { addErrorTexts } from "./errorTextLookup.svelte";
import { fileSizes } from "./fileSizes";

const en: Record<string, string> = {
  TweetWasDeleted: "This tweet was deleted.",
  TweetHidden: "A moderator has hidden this tweet.",
  AuthorLeft: "The author of this tweet has left.",
  TweetNotHidden: "This tweet isn't hidden.",
  CannotReportYourself: "You can't report yourself or your own tweets.",
  ReportedPersonNotFound: "This person has left.",
  ReportAlreadyClosed: "This report is already closed.",
  ReportNotFound: "This report doesn't exist any more.",
  AnnouncementNotFound: "This announcement doesn't exist any more.",
  NotYourAnnouncement: "Only the author of the announcement and administrators can do this.",
  AnnouncementPeriodNotAccepted: "Choose an end in the future, at most a year away.",
  AnnouncementEnded: "This announcement has ended.",
  NothingToAcknowledge: "This announcement doesn't ask people to confirm it.",
  RemindedRecently: "People were reminded less than an hour ago.",
  NotYourTweet: "You can pin only your own tweets.",
  TooManyPins: "You've pinned three tweets. Take one off first.",
  NotAnAdministrator: "Only administrators can do this.",
  RenamingNotAllowed: "Only administrators can change names.",
  PositionChangeNotAllowed: "Only administrators can change titles and departments.",
  ProfileTextNotAccepted: "This text is too long, or has characters that can't be used.",
  NotYourPicture: "You can change only your own picture.",
  SquareNotAccepted: "Choose a part that is inside the picture.",
  TagNotAccepted: "This isn't a hashtag.",
  SearchEmpty: "Type a word to search for.",
  SearchTooLong: "That's too many words. Leave some out.",
  SearchPersonExpected: "Add a person: “from:me” or “from:@name”.",
  SearchPersonUnknown: "Nobody here has this name.",
  SearchPersonAmbiguous: "Too many people have this name. Type more of it.",
  SearchContentExpected: "After “has:” write “image” or “link”.",
  SearchKindExpected: "After “is:” write “reply”.",
  SearchDateExpected: "Write a date such as 2026-11-29, or “today”, “yesterday”, “week”, “month”.",
  TimeZoneUnknown: "Your browser's time zone isn't known here.",
  TooManyTags: "You follow too many hashtags. Unfollow one first.",
  AccountScopeRequired:
    "You signed in with a key that can't do this. Sign in with one that may manage your account.",
  ScopeTooWide: "You signed in with a key that allows less than this.",
  KeyWouldOutliveYours: "The new key can't last longer than the one you signed in with.",
  TooManyKeys: "You have too many keys. Revoke one first.",
  KeyNotFound: "This key doesn't work any more.",
  SessionNotFound: "This device is already signed out.",
  NameNotConfirmed: "That isn't your name as Warble knows it.",
  LastAdministrator: "You're the last administrator. Name another one first.",
  CannotEraseYourself: "Administrators can't erase themselves. Ask another administrator.",
  NameNotAccepted: "This name can't be used.",
  CannotWatchYourself: "You can't be told about your own tweets.",
  TooManyWatched:
    "You're told about the tweets of too many people. Turn the bell off for somebody first.",
  TooManyThreads: "You follow or mute too many threads. Take one off the list first.",
  NotificationNotFound: "This notification is gone.",
  ProviderNotFound: "This way to sign in isn't offered any more.",
  SignOnUnavailable: "The company's sign-in service doesn't respond. Try again in a moment.",
  IdentityTaken: "This company account belongs to someone else here.",
  AnotherIdentityLinked: "Another account of the same service is linked. Remove it first.",
  IdentityNotFound: "No account of this service is linked.",
};

const ru: typeof en = {
  TweetHidden: "Этот твит скрыл модератор.",
  AuthorLeft: "Этот твит недоступен: автор покинул Warble.",
  TweetNotHidden: "Этот твит не скрыт.",
  CannotReportYourself: "Нельзя пожаловаться на себя или на свой твит.",
  ReportedPersonNotFound: "Этого человека уже нет в Warble.",
  ReportAlreadyClosed: "Эта жалоба уже закрыта.",
  ReportNotFound: "Этой жалобы больше нет.",
  AnnouncementNotFound: "Этого объявления больше нет.",
  NotYourAnnouncement: "Это могут делать только автор объявления и администраторы.",
  AnnouncementPeriodNotAccepted: "Выберите срок в будущем, не дальше года.",
  AnnouncementEnded: "Объявление уже снято.",
  NothingToAcknowledge: "Это объявление не просит подтверждения.",
  RemindedRecently: "Напоминание отправлено меньше часа назад.",
  NotYourTweet: "Закрепить можно только свои твиты.",
  TooManyPins: "Закреплено уже три твита. Сначала открепите один.",
  NotAnAdministrator: "Это могут делать только администраторы.",
  RenamingNotAllowed: "Имена меняют только администраторы.",
  PositionChangeNotAllowed: "Должности и отделы меняют только администраторы.",
  ProfileTextNotAccepted: "Этот текст слишком длинный или содержит недопустимые символы.",
  NotYourPicture: "Можно менять только свою фотографию.",
  SquareNotAccepted: "Выберите часть внутри картинки.",
  TweetWasDeleted: "Этот твит удалён.",
  TagNotAccepted: "Это не хештег.",
  SearchEmpty: "Введите слово для поиска.",
  SearchTooLong: "Слишком много слов. Уберите лишние.",
  SearchPersonExpected: "Укажите человека: «от:меня» или «от:@имя».",
  SearchPersonUnknown: "Здесь нет человека с таким именем.",
  SearchPersonAmbiguous: "Людей с таким именем слишком много. Уточните имя.",
  SearchContentExpected: "После «есть:» напишите «фото» или «ссылка».",
  SearchKindExpected: "После «это:» напишите «ответ».",
  SearchDateExpected:
    "Укажите дату, например 29.11.2026, или «сегодня», «вчера», «неделя», «месяц».",
  TimeZoneUnknown: "Часовой пояс вашего браузера здесь неизвестен.",
  TooManyTags: "Вы читаете слишком много хештегов. Отпишитесь от какого-нибудь.",
  AccountScopeRequired:
    "Вы вошли с ключом, который этого не разрешает. Войдите с ключом для управления учётной записью.",
  ScopeTooWide: "Вы вошли с ключом, который разрешает меньше.",
  KeyWouldOutliveYours: "Новый ключ не может действовать дольше того, с которым вы вошли.",
  TooManyKeys: "Ключей слишком много. Сначала отзовите один из них.",
  KeyNotFound: "Этот ключ уже не действует.",
  SessionNotFound: "На этом устройстве уже выполнен выход.",
  NameNotConfirmed: "Имя не совпадает с вашим именем в Warble.",
  LastAdministrator: "Вы последний администратор. Сначала назначьте другого.",
  CannotEraseYourself: "Администратор не может удалить себя сам. Попросите другого администратора.",
  NameNotAccepted: "Такое имя не подойдёт.",
  CannotWatchYourself: "Сообщать вам о ваших же твитах нельзя.",
  TooManyWatched:
    "Вам сообщают о твитах слишком многих. Сначала отключите колокольчик у кого-нибудь.",
  TooManyThreads:
    "Вы следите за слишком многими обсуждениями или отключили слишком много. Сначала уберите одно из списка.",
  NotificationNotFound: "Этого уведомления больше нет.",
  ProviderNotFound: "Так войти больше нельзя.",
  SignOnUnavailable: "Служба входа компании не отвечает. Попробуйте через минуту.",
  IdentityTaken: "Эта корпоративная учётная запись уже принадлежит здесь другому человеку.",
  AnotherIdentityLinked: "Уже привязана другая учётная запись этой службы. Сначала отвяжите её.",
  IdentityNotFound: "Учётная запись этой службы не привязана.",
};

type Limits = Record<string, (details: Details) => string>;

const { bytes, millions } = fileSizes("en", { kB: "kB", MB: "MB" });
const ruSizes = fileSizes("ru", { kB: "кБ", MB: "МБ" });

/** Texts of errors whose details have numbers. */
const enLimits: Limits = {
  ImageTooLarge: ({ limit, actual }) =>
    `Pictures can be up to ${bytes(limit)}; this one is ${bytes(actual, true)}.`,
  ImageTooManyPixels: ({ limit, actual }) =>
    `Pictures can have up to ${millions(limit)} million pixels; this one has ${millions(actual, true)} million, counting all frames of an animation.`,
  ImageTooManyFrames: ({ limit, actual }) =>
    `Animations can have up to ${limit} frames; this one has ${actual}.`,
  ImageTooCostly: ({ memory_bytes, seconds, stored_bytes }) =>
    `This picture is too complex: it needs more than ${bytes(memory_bytes)} of memory, ${seconds} seconds of CPU time or ${bytes(stored_bytes)} of storage. Try a smaller one.`,
  NameNotAccepted: ({ limit }) => `A name has 1 to ${limit} characters, on one line.`,
  PayloadTooLarge: ({ limit, actual = limit + 1 }) =>
    `You can send up to ${bytes(limit)}; this is ${bytes(actual, true)}.`,
};

const ruLimits: Limits = {
  ImageTooLarge: ({ limit, actual }) =>
    `Картинка: не больше ${ruSizes.bytes(limit)}, а эта весит ${ruSizes.bytes(actual, true)}.`,
  ImageTooManyPixels: ({ limit, actual }) =>
    `В картинке может быть до ${ruSizes.millions(limit)} млн пикселей, а в этой ${ruSizes.millions(actual, true)} млн (кадры анимации считаются вместе).`,
  ImageTooManyFrames: ({ limit, actual }) =>
    `В анимации может быть до ${limit} кадров, а в этой ${actual}.`,
  ImageTooCostly: ({ memory_bytes, seconds, stored_bytes }) =>
    `Картинка слишком сложная: ей нужно больше ${ruSizes.bytes(memory_bytes)} памяти, ${seconds} с работы процессора или ${ruSizes.bytes(stored_bytes)} места. Уменьшите её.`,
  NameNotAccepted: ({ limit }) => `Имя: от 1 до ${limit} знаков, в одну строку.`,
  PayloadTooLarge: ({ limit, actual = limit + 1 }) =>
    `Можно отправить до ${ruSizes.bytes(limit)}, а здесь ${ruSizes.bytes(actual, true)}.`,
};

function moreErrorText({ type, details }: ApiError): string | undefined {
  const russian = preferences.language === "ru";
  const withNumbers = (russian ? ruLimits : enLimits)[type];
  return withNumbers && details ? withNumbers(details) : (russian ? ru : en)[type];
}

addErrorTexts(moreErrorText);
