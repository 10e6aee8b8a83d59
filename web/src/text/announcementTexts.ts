/** The texts of announcements and pinned tweets. Fetched with their components. */

import { preferences } from "../state/preferences.svelte";
import { plurals } from "./plurals";

const pluralEn = plurals("en");
const pluralRu = plurals("ru");

const en = {
  announcements: "Announcements",
  announcement: (name: string) => `Announcement by ${name}`,
  confirmRead: "I have read this",
  isRead: "Read",
  showMore: "Show announcement",
  showLess: "Hide announcement",
  open: "Open tweet",

  // The administration of announcements.
  write: "New announcement",
  writeHint: "Everybody is notified, and sees it above Home until it ends.",
  text: "Text",
  until: "Show until",
  replies: "Replies",
  mayReply: { everyone: "Allowed", nobody: "Closed" },
  acknowledge: "Ask people to confirm that they have read it",
  post: "Post announcement",
  posted: "Announcement posted",
  none: "No announcements",
  noneHint: "What you announce is shown above Home for everybody.",
  endsOn: (date: string) => `Until ${date}`,
  asksConfirmation: "Asks for confirmation",
  whoRead: "Who has read it",
  allAnnouncements: "All announcements",
  readCount: (n: number) => pluralEn(n, { one: "Read by # person", other: "Read by # people" }),
  unreadCount: (n: number) => pluralEn(n, { one: "# person left", other: "# people left" }),
  states: { done: "Have read", missing: "Haven't read" },
  readAt: (when: string) => `Read ${when}`,
  nobodyYet: "Nobody yet",
  allRead: "Everybody has read it",
  exportCsv: "Export",
  remind: "Remind the others",
  reminded: (n: number) => pluralEn(n, { one: "# person reminded", other: "# people reminded" }),
  end: "End now",
  endQuestion: "It is no longer shown above Home. The tweet stays.",
  ended: "Announcement ended",

  // Pins.
  pin: "Pin to profile",
  unpin: "Unpin from profile",
  pinned: "Pinned",
  pinnedNow: "Pinned to your profile",
  unpinned: "No longer pinned",
};

const ru: typeof en = {
  announcements: "Объявления",
  announcement: (name: string) => `Объявление. Автор: ${name}`,
  confirmRead: "Прочитано",
  isRead: "Вы прочитали",
  showMore: "Показать объявление",
  showLess: "Свернуть объявление",
  open: "Открыть твит",

  write: "Новое объявление",
  writeHint: "Уведомление получат все. До конца срока объявление будет над лентой.",
  text: "Текст",
  until: "Показывать до",
  replies: "Ответы",
  mayReply: { everyone: "Разрешены", nobody: "Закрыты" },
  acknowledge: "Попросить подтвердить прочтение",
  post: "Опубликовать",
  posted: "Объявление опубликовано",
  none: "Объявлений нет",
  noneHint: "Ваше объявление будет показано над лентой у всех.",
  endsOn: (date: string) => `До ${date}`,
  asksConfirmation: "Нужно подтверждение",
  whoRead: "Кто прочитал",
  allAnnouncements: "Все объявления",
  readCount: (n: number) => `Прочитали: ${n}`,
  unreadCount: (n: number) => `Осталось: ${n}`,
  states: { done: "Прочитали", missing: "Не прочитали" },
  readAt: (when: string) => `Прочтение: ${when}`,
  nobodyYet: "Пока никто",
  allRead: "Прочитали все",
  exportCsv: "Выгрузить",
  remind: "Напомнить остальным",
  reminded: (n: number) =>
    pluralRu(n, {
      one: "Напоминание получит # человек",
      few: "Напоминание получат # человека",
      other: "Напоминание получат # человек",
    }),
  end: "Завершить",
  endQuestion: "Объявления больше не будет над лентой. Сам твит останется.",
  ended: "Объявление завершено",

  pin: "Закрепить в профиле",
  unpin: "Открепить",
  pinned: "Закреплено",
  pinnedNow: "Твит закреплён в профиле",
  unpinned: "Твит откреплён",
};

export const announcementTexts = () => (preferences.language === "ru" ? ru : en);
