/** What the views need to know of the stream of notices, which is fetched after the first script. */

export const live = $state({
  /** Whether notices come. While they do not, views ask for what is new. */
  streaming: false,
  /** How many notifications are unread: 100 means more than 99. */
  unread: 0,
  /** How many reports are open, for moderators. */
  reports: 0,
});

/** Counts of unread notifications are numbered, because an answer may come after a newer count. */
let lastNumber = 0;
let shownNumber = 0;

/** Shows the count of unread notifications from a notice of the server. */
export function showUnread(count: number) {
  shownNumber = ++lastNumber;
  live.unread = count;
}

/** Asks for the count of unread notifications, and shows it unless a newer one is shown already. */
export async function askUnread(ask: () => Promise<number>) {
  const number = ++lastNumber;
  const count = await ask();
  if (number < shownNumber) return;
  shownNumber = number;
  live.unread = count;
}

/** A number where there is little room. */
export const short = (count: number) => (count > 99 ? "99+" : `${count}`);

/** The title of the page, with the number of what is new. */
export const titled = (title: string, news = 0) => {
  const count = live.unread || news;
  return `${count ? `(${short(count)}) ` : ""}${title} · Warble`;
};
