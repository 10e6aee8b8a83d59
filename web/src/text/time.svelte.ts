/** How long ago something was, in the reader's language. */

import { preferences, words } from "../state/preferences.svelte";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

let now = $state(Date.now());
setInterval(() => (now = Date.now()), 30_000);

/** The instant as the largest whole unit since then, written by `write`; a date after a week. */
function since(instant: string, write: (count: number, unit: "minute" | "hour" | "day") => string) {
  const then = new Date(instant);
  // A server's clock may be ahead of this one.
  const seconds = Math.max(0, Math.round((now - then.getTime()) / 1000));
  if (seconds < MINUTE) return words().justNow;
  if (seconds < HOUR) return write(Math.floor(seconds / MINUTE), "minute");
  if (seconds < DAY) return write(Math.floor(seconds / HOUR), "hour");
  if (seconds < WEEK) return write(Math.floor(seconds / DAY), "day");
  const thisYear = then.getFullYear() === new Date(now).getFullYear();
  return then.toLocaleDateString(preferences.language, {
    day: "numeric",
    month: "short",
    ...(thisYear ? {} : { year: "numeric" }),
  });
}

/** "5 minutes ago", for a sentence and for screen readers. */
export const ago = (instant: string) =>
  since(instant, (count, unit) =>
    new Intl.RelativeTimeFormat(preferences.language).format(-count, unit),
  );

/** "5m", for beside a name. */
export const age = (instant: string) =>
  since(instant, (count, unit) =>
    new Intl.NumberFormat(preferences.language, {
      style: "unit",
      unit,
      unitDisplay: "narrow",
    }).format(count),
  );

/** "12:40" if the instant is today; null if not. */
export function timeToday(instant: string): string | null {
  const then = new Date(instant);
  if (then.toDateString() !== new Date(now).toDateString()) return null;
  return then.toLocaleTimeString(preferences.language, { hour: "numeric", minute: "2-digit" });
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
