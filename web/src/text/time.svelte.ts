/** Times and dates in the reader's language. */

import { preferences, texts } from "../state/preferences.svelte";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

let now = $state(Date.now());
setInterval(() => (now = Date.now()), 30_000);

/** The time since an instant in its largest whole unit, formatted by `format`; a date after a week. */
function formatAge(
  instant: string,
  format: (count: number, unit: "minute" | "hour" | "day") => string,
) {
  const then = new Date(instant);
  // A server's clock may be ahead of this one.
  const seconds = Math.max(0, Math.round((now - then.getTime()) / 1000));
  if (seconds < MINUTE) return texts().justNow;
  if (seconds < HOUR) return format(Math.floor(seconds / MINUTE), "minute");
  if (seconds < DAY) return format(Math.floor(seconds / HOUR), "hour");
  if (seconds < WEEK) return format(Math.floor(seconds / DAY), "day");
  const thisYear = then.getFullYear() === new Date(now).getFullYear();
  return then.toLocaleDateString(preferences.language, {
    day: "numeric",
    month: "short",
    ...(thisYear ? {} : { year: "numeric" }),
  });
}

/** "5 minutes ago", for a sentence and for screen readers. */
export const timeAgo = (instant: string) =>
  formatAge(instant, (count, unit) =>
    new Intl.RelativeTimeFormat(preferences.language).format(-count, unit),
  );

/** "5m", for a place with little room. */
export const shortTimeAgo = (instant: string) =>
  formatAge(instant, (count, unit) =>
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

/** The date, without the time. */
export const longDate = (instant: string) =>
  new Date(instant).toLocaleDateString(preferences.language, { dateStyle: "long" });

/** Date and time. */
export const fullTime = (instant: string) =>
  new Date(instant).toLocaleString(preferences.language, {
    dateStyle: "long",
    timeStyle: "short",
  });
