/**
 * The texts of notifications and of their settings. Fetched after the first script.
 */

import type { Delivery, Kind, Source } from "../api/notifications";
import { preferences } from "../state/preferences.svelte";
import { plurals } from "./plurals";

const pluralEn = plurals("en");
const pluralRu = plurals("ru");

const en = {
  /** The text after the names, by kind; it depends on the number of people and of tweets. */
  summaries: {
    mention: () => "mentioned you",
    reply: () => "replied to you",
    like: (people) => (people === 1 ? "likes your tweet" : "like your tweet"),
    follow: (people) => (people === 1 ? "follows you" : "follow you"),
    thread: () => "replied in a thread you follow",
    watch: (_, tweets) =>
      tweets > 1
        ? pluralEn(tweets, { one: "posted # tweet", other: "posted # tweets" })
        : "posted a tweet",
    announcement: () => "posted an announcement",
    moderation: () => "",
    security: () => "",
  } satisfies Summaries as Summaries,
  /** The texts of `security` notifications. */
  credentials: { key: "New access key for your account", session: "New sign-in to your account" },
  /** The texts of `moderation` notifications. */
  moderationResults: {
    hidden: "A moderator has hidden your tweet",
    restored: "Your tweet is visible again",
    report_closed: "Moderators have dealt with your report",
  },
  hiddenReason: (reason: string) => `Reason: ${reason}`,
  securityHint: "If this wasn't you, check your keys and devices.",
  otherPeople: (n: number) => pluralEn(n, { one: "# other", other: "# others" }),
  tweetGone: "The tweet is gone.",
  newLabel: "New",
  showNew: "Show new notifications",
  emptyTitle: "Nothing yet",
  filterLabel: "Which notifications",
  all: "All",
  mentions: "Mentions",
  noMentions: "No mentions yet",
  noMentionsHint: "When somebody writes your name with an @, you see it here.",
  emptyHint:
    "When somebody replies to you, mentions you or likes a tweet of yours, you see it here.",
  end: "That's all",
  settings: "Notification settings",

  settingsHint: "Choose what you're told about, and what makes the badge count.",
  kinds: {
    mention: "Mentions of you",
    reply: "Replies to you",
    like: "Likes",
    follow: "New followers",
    thread: "Replies in threads you follow",
    watch: "Tweets of people you're told about",
    announcement: "Announcements",
    moderation: "Messages from the moderators",
    security: "New keys and sign-ins",
  } satisfies Record<Kind, string> as Record<Kind, string>,
  deliveries: {
    off: "Off",
    list: "In the list",
    badge: "In the list and the badge",
  } satisfies Record<Delivery, string> as Record<Delivery, string>,
  sources: { everyone: "From everyone", following: "From people I follow" } satisfies Record<
    Source,
    string
  > as Record<Source, string>,
  sourceOf: (kind: string) => `${kind}: from whom`,
  followedThreads: "Threads you follow",
  mutedThreads: "Muted threads",
  watched: "People whose new tweets you're told about",
  noThreads: "None. You find this in the menu of a tweet.",
  noWatched: "None. You find the bell on a person's profile.",

  muteThread: "Mute thread",
  unmuteThread: "Unmute thread",
  followThread: "Follow thread",
  unfollowThread: "Stop following thread",
  muteMentions: "Mute mentions too",
  unmuteMentions: "Let mentions through",
  threadMuted: "You won't be told about this thread. Mentions still reach you.",
  threadSilent: "You won't be told about this thread, not even when you're mentioned",
  threadUnmuted: "This thread is no longer muted",
  threadFollowed: "You'll be told about new replies",
  threadUnfollowed: "You no longer follow this thread",
  watch: "Tell me about new tweets",
  unwatch: "Stop telling me",
  stop: "Stop",
  unmute: "Unmute",
  newReplies: (n: number) => pluralEn(n, { one: "# new reply", other: "# new replies" }),
};

type Summaries = Record<Kind, (people: number, tweets: number) => string>;

const ru: typeof en = {
  summaries: {
    mention: (people) => (people === 1 ? "упоминает вас" : "упоминают вас"),
    reply: (people) => (people === 1 ? "отвечает вам" : "отвечают вам"),
    like: (people) =>
      people === 1 ? "ставит «Нравится» вашему твиту" : "ставят «Нравится» вашему твиту",
    follow: (people) => (people === 1 ? "теперь читает вас" : "теперь читают вас"),
    thread: (people) =>
      people === 1
        ? "отвечает в обсуждении, за которым вы следите"
        : "отвечают в обсуждении, за которым вы следите",
    watch: (_, tweets) =>
      tweets > 1
        ? pluralRu(tweets, {
            one: "публикует # новый твит",
            few: "публикует # новых твита",
            other: "публикует # новых твитов",
          })
        : "публикует новый твит",
    announcement: () => "публикует объявление",
    moderation: () => "",
    security: () => "",
  },
  credentials: {
    key: "Новый ключ доступа к вашей учётной записи",
    session: "Новый вход в вашу учётную запись",
  },
  moderationResults: {
    hidden: "Модератор скрыл ваш твит",
    restored: "Ваш твит снова виден",
    report_closed: "Модераторы рассмотрели вашу жалобу",
  },
  hiddenReason: (reason: string) => `Причина: ${reason}`,
  securityHint: "Это были не вы? Проверьте ключи и устройства.",
  otherPeople: (n: number) =>
    pluralRu(n, { one: "ещё # человек", few: "ещё # человека", other: "ещё # человек" }),
  tweetGone: "Этого твита больше нет.",
  newLabel: "Новое",
  showNew: "Показать новые уведомления",
  emptyTitle: "Пока ничего",
  filterLabel: "Какие уведомления",
  all: "Все",
  mentions: "Упоминания",
  noMentions: "Упоминаний пока нет",
  noMentionsHint: "Когда ваше имя напишут после знака @, вы увидите это здесь.",
  emptyHint:
    "Когда вам ответят, упомянут вас или поставят «Нравится» вашему твиту, вы увидите это здесь.",
  end: "Это всё",
  settings: "Настройки уведомлений",

  settingsHint: "Выберите, о чём вам сообщать и что показывать в счётчике.",
  kinds: {
    mention: "Упоминания",
    reply: "Ответы вам",
    like: "«Нравится»",
    follow: "Новые подписчики",
    thread: "Ответы в обсуждениях, за которыми вы следите",
    watch: "Твиты тех, о ком вы просили сообщать",
    announcement: "Объявления",
    moderation: "Сообщения модераторов",
    security: "Новые ключи и входы",
  },
  deliveries: { off: "Не сообщать", list: "В списке", badge: "В списке и в счётчике" },
  sources: { everyone: "От всех", following: "От тех, кого я читаю" },
  sourceOf: (kind: string) => `${kind}: от кого`,
  followedThreads: "Обсуждения, за которыми вы следите",
  mutedThreads: "Обсуждения, о которых не сообщают",
  watched: "О чьих новых твитах вам сообщают",
  noThreads: "Пока нет. Это есть в меню каждого твита.",
  noWatched: "Пока никого. Нажмите на колокольчик в профиле человека.",

  muteThread: "Не сообщать об обсуждении",
  unmuteThread: "Снова сообщать об обсуждении",
  followThread: "Следить за обсуждением",
  unfollowThread: "Не следить за обсуждением",
  muteMentions: "Не сообщать и об упоминаниях",
  unmuteMentions: "Сообщать об упоминаниях",
  threadMuted: "Об этом обсуждении вам больше не сообщат. Упоминания придут.",
  threadSilent: "Об этом обсуждении вам больше не сообщат, даже если вас упомянут",
  threadUnmuted: "Об этом обсуждении снова будут сообщать",
  threadFollowed: "Вам сообщат о новых ответах",
  threadUnfollowed: "Вы больше не следите за обсуждением",
  watch: "Сообщать о новых твитах",
  unwatch: "Не сообщать о новых твитах",
  stop: "Отключить",
  unmute: "Снова сообщать",
  newReplies: (n: number) =>
    pluralRu(n, { one: "# новый ответ", few: "# новых ответа", other: "# новых ответов" }),
};

const texts = { en, ru };
const lists = { en: new Intl.ListFormat("en-GB"), ru: new Intl.ListFormat("ru") };

export const notificationTexts = () => texts[preferences.language];

/** The parts of "Anna, Boris and 12 others": each name with its person, and the separators. */
export function peopleParts(people: { id: number; name: string }[], count: number) {
  const shown = count > people.length ? people.slice(0, 2) : people;
  const rest = count > shown.length ? [notificationTexts().otherPeople(count - shown.length)] : [];
  let number = 0;
  return lists[preferences.language]
    .formatToParts([...shown.map(({ name }) => name), ...rest])
    .map(({ type, value }) => ({
      text: value,
      person: type === "element" ? (shown[number++] ?? null) : null,
    }));
}
