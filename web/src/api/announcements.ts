/** The calls for announcements. Fetched after the first script. */

import { call, queryString, type Page } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Announcement = Schemas["AnnouncementView"];
export type AnnouncementDraft = Schemas["AnnouncementDraft"];
export type AnnouncementReader = Schemas["AcknowledgingPerson"];

/** The current announcements, the newest first. */
export const announcements = async () =>
  (await call<Schemas["Announcements"]>("GET", "/announcements")).announcements;

export const announce = (draft: AnnouncementDraft) =>
  call<Schemas["AnnouncementResponse"]>("POST", "/announcements", draft);

export const acknowledge = (tweetId: number) =>
  call("POST", `/announcements/${tweetId}/acknowledgement`);

export const endAnnouncement = (tweetId: number) => call("DELETE", `/announcements/${tweetId}`);

/** Returns the number of people who are reminded. */
export const sendReminder = async (tweetId: number) =>
  (await call<Schemas["Reminded"]>("POST", `/announcements/${tweetId}/reminder`)).people;

export interface ReaderPage extends Page<AnnouncementReader> {
  done: number;
  missing: number;
}

export async function readers(
  tweetId: number,
  state: "done" | "missing",
  cursor: string | null,
): Promise<ReaderPage> {
  const { people, next_cursor, done, missing } = await call<Schemas["AcknowledgementPage"]>(
    "GET",
    `/announcements/${tweetId}/acknowledgements${queryString({ state, cursor, limit: 50 })}`,
  );
  return { items: people, cursor: next_cursor, done, missing };
}

export const readersCsvPath = (tweetId: number) =>
  `/api/announcements/${tweetId}/acknowledgements.csv`;
