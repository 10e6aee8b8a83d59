/**
 * What went wrong, for errors that the first view never meets. They are fetched with the parts that do,
 * so that they are no part of the first script.
 */

import { preferences } from "../state/preferences.svelte";
import { addReasons } from "./reason";

const en: Record<string, string> = {
  TweetWasDeleted: "This tweet was deleted.",
  TweetHidden: "The author of this tweet has left.",
  NotAnAdministrator: "Only administrators can do this.",
  RenamingNotAllowed: "Only administrators can change names.",
  PositionChangeNotAllowed: "Only administrators can change titles and departments.",
  ProfileTextNotAccepted: "This text is too long, or has characters that can't be used.",
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
  CannotWatchYourself: "You can't watch yourself.",
  TooManyWatched: "You watch too many people. Stop watching somebody first.",
  TooManyThreads: "You follow or mute too many threads. Take one off the list first.",
  NotificationNotFound: "This notification is gone.",
};

const ru: typeof en = {
  TweetHidden: "Этот твит недоступен: автор покинул Warble.",
  NotAnAdministrator: "Это могут делать только администраторы.",
  RenamingNotAllowed: "Имена меняют только администраторы.",
  PositionChangeNotAllowed: "Должности и отделы меняют только администраторы.",
  ProfileTextNotAccepted: "Этот текст слишком длинный или содержит недопустимые символы.",
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
  CannotWatchYourself: "За собой следить нельзя.",
  TooManyWatched: "Вы следите за слишком многими. Сначала перестаньте следить за кем-нибудь.",
  TooManyThreads: "Отслеживаемых и скрытых обсуждений слишком много. Сначала уберите одно из них.",
  NotificationNotFound: "Этого уведомления больше нет.",
};

addReasons((type) => (preferences.language === "ru" ? ru : en)[type]);
