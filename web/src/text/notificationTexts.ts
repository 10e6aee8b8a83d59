/**
 * The texts of notifications and of their settings. Fetched after the first script.
 */

import type { Delivery, Kind, Source } from "../api/notifications";
import { preferences } from "../state/preferences.svelte";
import { plurals } from "./plurals";

const inEnglish = plurals("en");
const inRussian = plurals("ru");

const en = {
  /** What stands behind the names, by how many people they are, and about how many tweets. */
  summaries: {
    mention: () => "mentioned you",
    reply: () => "replied to you",
    like: (people) => (people === 1 ? "likes your tweet" : "like your tweet"),
    follow: (people) => (people === 1 ? "follows you" : "follow you"),
    thread: () => "replied in a thread you follow",
    watch: (_, tweets) =>
      tweets > 1
        ? inEnglish(tweets, { one: "posted # tweet", other: "posted # tweets" })
        : "posted a tweet",
    announcement: () => "posted an announcement",
    moderation: () => "",
    security: () => "",
  } satisfies Summaries as Summaries,
  /** For `security`, by what is new. */
  credentials: { key: "New access key for your account", session: "New sign-in to your account" },
  /** For `moderation`, by what was done. */
  moderated: {
    hidden: "A moderator has hidden your tweet",
    restored: "Your tweet is visible again",
    report_closed: "Moderators have dealt with your report",
  },
  hiddenFor: (reason: string) => `Reason: ${reason}`,
  securityMore: "Wasn't it you? Check your keys and devices.",
  others: (n: number) => inEnglish(n, { one: "# other", other: "# others" }),
  gone: "The tweet is gone.",
  fresh: "New",
  showNew: "Show new notifications",
  empty: "Nothing yet",
  filter: "Which notifications",
  all: "All",
  mentions: "Mentions",
  noMentions: "No mentions yet",
  noMentionsMore: "When somebody writes your name with an @, you see it here.",
  emptyMore:
    "When somebody replies to you, mentions you or likes a tweet of yours, you see it here.",
  end: "That's all",
  settings: "Notification settings",

  more: "Choose what you're told about, and what makes the badge count.",
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
  none: "None. You find this in the menu of a tweet.",
  noneWatched: "None. You find the bell on a person's profile.",

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
  newReplies: (n: number) => inEnglish(n, { one: "# new reply", other: "# new replies" }),
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
        ? inRussian(tweets, {
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
  moderated: {
    hidden: "Модератор скрыл ваш твит",
    restored: "Ваш твит снова виден",
    report_closed: "Модераторы рассмотрели вашу жалобу",
  },
  hiddenFor: (reason: string) => `Причина: ${reason}`,
  securityMore: "Это были не вы? Проверьте ключи и устройства.",
  others: (n: number) =>
    inRussian(n, { one: "ещё # человек", few: "ещё # человека", other: "ещё # человек" }),
  gone: "Этого твита больше нет.",
  fresh: "Новое",
  showNew: "Показать новые уведомления",
  empty: "Пока ничего",
  filter: "Какие уведомления",
  all: "Все",
  mentions: "Упоминания",
  noMentions: "Упоминаний пока нет",
  noMentionsMore: "Когда ваше имя напишут после знака @, вы увидите это здесь.",
  emptyMore:
    "Когда вам ответят, упомянут вас или поставят «Нравится» вашему твиту, вы увидите это здесь.",
  end: "Это всё",
  settings: "Настройки уведомлений",

  more: "Выберите, о чём вам сообщать и что показывать в счётчике.",
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
  mutedThreads: "Скрытые обсуждения",
  watched: "О чьих новых твитах вам сообщают",
  none: "Пока нет. Это есть в меню каждого твита.",
  noneWatched: "Пока никого. Нажмите на колокольчик в профиле человека.",

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
  unmute: "Вернуть",
  newReplies: (n: number) =>
    inRussian(n, { one: "# новый ответ", few: "# новых ответа", other: "# новых ответов" }),
};

const texts = { en, ru };
const lists = { en: new Intl.ListFormat("en-GB"), ru: new Intl.ListFormat("ru") };

export const notificationTexts = () => texts[preferences.language];

/** "Anna, Boris and 12 others", with the names apart from what stands between them. */
export function listed(people: { id: number; name: string }[], count: number) {
  const shown = count > people.length ? people.slice(0, 2) : people;
  const rest = count > shown.length ? [notificationTexts().others(count - shown.length)] : [];
  let number = 0;
  return lists[preferences.language]
    .formatToParts([...shown.map(({ name }) => name), ...rest])
    .map(({ type, value }) => ({
      text: value,
      person: type === "element" ? (shown[number++] ?? null) : null,
    }));
}
