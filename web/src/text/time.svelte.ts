/** How long ago something was, in the reader's language. */

import { preferences, words } from "../state/preferences.svelte";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

let now = $state(Date.now());
setInterval(() => (now = Date.now()), 30_000);

export function ago(instant: string): string {
  const then = new Date(instant);
  // A server's clock may be ahead of this one.
  const seconds = Math.max(0, Math.round((now - then.getTime()) / 1000));
  const { language } = preferences;
  if (seconds < MINUTE) return words().justNow;
  if (seconds >= WEEK) {
    const thisYear = then.getFullYear() === new Date(now).getFullYear();
    return then.toLocaleDateString(language, {
      day: "numeric",
      month: "short",
      ...(thisYear ? {} : { year: "numeric" }),
    });
  }
  const relative = new Intl.RelativeTimeFormat(language, { style: "short" });
  if (seconds < HOUR) return relative.format(-Math.floor(seconds / MINUTE), "minute");
  if (seconds < DAY) return relative.format(-Math.floor(seconds / HOUR), "hour");
  return relative.format(-Math.floor(seconds / DAY), "day");
}

/** The day of an instant. */
export const onDate = (instant: string) =>
  new Date(instant).toLocaleDateString(preferences.language, { dateStyle: "long" });

/** The instant itself, for those who want to know it. */
export const exactly = (instant: string) =>
  new Date(instant).toLocaleString(preferences.language, {
    dateStyle: "long",
    timeStyle: "short",
  });
