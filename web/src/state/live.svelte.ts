/** What the views need to know of the stream of notices, which is fetched after the first script. */

export const live = $state({
  /** Whether notices come. While they do not, views ask for what is new. */
  streaming: false,
  /** How many notifications are unread: 100 means more than 99. */
  unread: 0,
  /** How many reports are open, for moderators. */
  reports: 0,
});

/** A number where there is little room. */
export const short = (count: number) => (count > 99 ? "99+" : `${count}`);

/** The title of the page, with the number of what is new. */
export const titled = (title: string, news = 0) => {
  const count = live.unread || news;
  return `${count ? `(${short(count)}) ` : ""}${title} · Warble`;
};
