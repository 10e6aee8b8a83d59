/** The calls for reports and hidden tweets. Fetched after the first script. */

import { call, queryString, type Page, type Person } from "./client";

export const REASONS = ["harassment", "spam", "confidential", "other"] as const;
export type Reason = (typeof REASONS)[number];
/** The longest note that the API accepts. */
export const MAX_NOTE_CHARACTERS = 500;

export interface Report {
  id: number;
  reporter: Person;
  /** The reported person, or the author of the reported tweet. */
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

export interface HiddenTweet {
  reason: Reason;
  note: string;
  hidden_at: string;
  content: string;
  author_id: number;
}

export const sendReport = (
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
    `/reports${queryString({ state, cursor, limit: 20 })}`,
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
export const hiddenTweet = (id: number) => call<HiddenTweet>("GET", `/tweets/${id}/hidden`);
