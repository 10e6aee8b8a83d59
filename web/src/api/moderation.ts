/** The calls for reports and hidden tweets. No part of the first script. */

import { call, query, type Page, type Person } from "./client";

export const REASONS = ["harassment", "spam", "confidential", "other"] as const;
export type Reason = (typeof REASONS)[number];
/** The longest note that the API takes. */
export const NOTE_CHARACTERS = 500;

export interface Report {
  id: number;
  reporter: Person;
  /** Who is reported; the author, if a tweet is. */
  user: Person;
  tweet: {
    id: number;
    content: string;
    attachments: string[];
    created_at: string;
    hidden: boolean;
    deleted: boolean;
  } | null;
  reason: Reason;
  note: string;
  created_at: string;
  closed_at: string | null;
  closure_note: string | null;
}

export interface Hidden {
  reason: Reason;
  note: string;
  hidden_at: string;
  content: string;
  author_id: number;
}

export const report = (
  subject: { tweet_id: number } | { user_id: number },
  reason: Reason,
  note: string,
) => call("POST", "/reports", { ...subject, reason, note });

export async function reports(
  state: "open" | "closed",
  cursor: string | null,
): Promise<Page<Report>> {
  const page = await call<{ reports: Report[]; next_cursor: string | null }>(
    "GET",
    `/reports${query({ state, cursor, limit: 20 })}`,
  );
  return { items: page.reports, cursor: page.next_cursor };
}

export const countOpenReports = async () =>
  (await call<{ count: number }>("GET", "/reports/open")).count;

export const closeReport = (id: number, note: string) =>
  call("POST", `/reports/${id}/closure`, { note });

export const hideTweet = (id: number, reason: Reason, note: string) =>
  call("PUT", `/tweets/${id}/hidden`, { reason, note });

export const restoreTweet = (id: number) => call("DELETE", `/tweets/${id}/hidden`);

/** Why a tweet was hidden, for its author and the moderators. */
export const hidden = (id: number) => call<Hidden>("GET", `/tweets/${id}/hidden`);
