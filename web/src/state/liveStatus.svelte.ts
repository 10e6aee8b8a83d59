/** What the views show of the live updates (`applyStreamNotices.svelte.ts`, which is fetched later). */

export const live = $state({
  /** Whether the stream is connected. While it is not, the views poll. */
  streaming: false,
  /** How many notifications are unread: 100 means more than 99. */
  unread: 0,
  /** How many reports are open, for moderators. */
  reports: 0,
});

/** Counts of unread notifications are numbered: a response may arrive after a newer count. */
let lastNumber = 0;
let shownNumber = 0;

/** Shows the count of unread notifications from a notice of the server. */
export function showUnread(count: number) {
  shownNumber = ++lastNumber;
  live.unread = count;
}

/** Fetches the count of unread notifications and shows it, unless a newer one is shown already. */
export async function loadUnread(fetchCount: () => Promise<number>) {
  const number = ++lastNumber;
  const count = await fetchCount();
  if (number < shownNumber) return;
  shownNumber = number;
  live.unread = count;
}

/** A number for a small badge. */
export const shortCount = (count: number) => (count > 99 ? "99+" : `${count}`);

/** The title of the page, with the number of unread notifications, or else of new tweets. */
export const pageTitle = (title: string, newTweets = 0) => {
  const count = live.unread || newTweets;
  return `${count ? `(${shortCount(count)}) ` : ""}${title} · Warble`;
};
