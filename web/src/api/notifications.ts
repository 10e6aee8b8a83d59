/** The calls for notifications and their settings. Fetched after the first script. */

import { call, queryString, type Page, type Portrait, type Tweet } from "./client";
import type { Reason } from "./moderation";

export const KINDS = [
  "mention",
  "reply",
  "like",
  "follow",
  "thread",
  "watch",
  "announcement",
  "moderation",
  "security",
] as const;
export type Kind = (typeof KINDS)[number];
export type Delivery = "off" | "list" | "badge";
export type Source = "everyone" | "following";

export interface NotificationGroup {
  id: string;
  kind: Kind;
  seq: number;
  created_at: string;
  unread: boolean;
  read: boolean;
  people: { id: number; name: string; picture?: Portrait }[];
  people_count: number;
  tweet_id: number | null;
  tweet_count: number;
  thread_id: number | null;
  /** For `security`: what was created. */
  credential: "key" | "session" | null;
  /** For `moderation`: what happened to the reader's tweet or report. */
  moderation: { act: "hidden" | "restored" | "report_closed"; reason: Reason | null } | null;
}

export interface ThreadPreference {
  thread_id: number;
  state: "followed" | "muted";
  mentions: boolean;
  since: string;
}

export interface NotificationSettings {
  kinds: Record<Kind, { delivery: Delivery; from: Source }>;
  threads: ThreadPreference[];
  watched: { id: number; name: string }[];
}

export interface GroupPage extends Page<NotificationGroup> {
  unread: number;
  seen: number;
}

/** A page of all kinds, or of one kind. */
export async function notifications(
  cursor: string | null,
  kind: Kind | null = null,
): Promise<GroupPage> {
  const page = await call<{
    notifications: NotificationGroup[];
    next_cursor: string | null;
    unread: number;
    seen: number;
  }>("GET", `/notifications${queryString({ kind, cursor, limit: 20 })}`);
  return {
    items: page.notifications,
    cursor: page.next_cursor,
    unread: page.unread,
    seen: page.seen,
  };
}

export const countUnread = async () =>
  (await call<{ count: number }>("GET", "/notifications/unread")).count;

/** Marks all up to this number as seen; returns the number of unread ones. */
export const markSeen = async (seq: number) =>
  (await call<{ count: number }>("POST", "/notifications/seen", { seq })).count;

export const markRead = (group: string) =>
  call("POST", `/notifications/${encodeURIComponent(group)}/read`);

export const notificationSettings = () =>
  call<NotificationSettings>("GET", "/notifications/settings");

export const changeSettings = (kinds: Partial<NotificationSettings["kinds"]>) =>
  call<NotificationSettings>("PATCH", "/notifications/settings", { kinds });

/** `silent` is muted, including mentions of the reader. */
export type ThreadState = "none" | "followed" | "muted" | "silent";

export async function threadState(tweetId: number): Promise<ThreadState> {
  const { state, mentions } = await call<{
    state: Exclude<ThreadState, "silent">;
    mentions: boolean;
  }>("GET", `/tweets/${tweetId}/subscription`);
  return mentions ? "silent" : state;
}

export const muteThread = (tweetId: number, mentions: boolean) =>
  call("POST", `/tweets/${tweetId}/mute`, { mentions });

export const unmuteThread = (tweetId: number) => call("DELETE", `/tweets/${tweetId}/mute`);

export const setThreadFollow = (tweetId: number, on: boolean) =>
  call(on ? "POST" : "DELETE", `/tweets/${tweetId}/subscription`);

export const isWatched = async (id: number) =>
  (await call<{ watched: boolean }>("GET", `/users/${id}/watch`)).watched;

export const setWatch = (id: number, on: boolean) =>
  call(on ? "POST" : "DELETE", `/users/${id}/watch`);

/** The tweets that the reader may see. At most 100 ids. */
export async function tweetsById(ids: number[]): Promise<Tweet[]> {
  if (ids.length === 0) return [];
  return (await call<{ tweets: Tweet[] }>("GET", `/tweets${queryString({ ids: ids.join() })}`))
    .tweets;
}
