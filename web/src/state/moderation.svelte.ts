/** Menu items of a tweet (report, hide) and of a person (report, administer, invite again), and the open reports. */

import * as api from "../api/moderation";
import { ApiError, type Person } from "../api/client";
import type { MenuItem } from "../components/Menu.svelte";
import HideTweetDialog from "../components/HideTweetDialog.svelte";
import ReportDialog from "../components/ReportDialog.svelte";
import { moderationTexts } from "../text/moderationTexts";
import { openDialog } from "./dialogs.svelte";
import { live } from "./liveStatus.svelte";
import { texts } from "./preferences.svelte";
import { ADMINISTRATION, navigate } from "./route.svelte";
import { session } from "./session.svelte";
import type { Tweet } from "./tweetCache.svelte";

const FLAG = "M6 21V4M6 4.5c5-2.5 7 2 13 0v9c-6 2-8-2.5-13 0";
const EYE =
  "M4 4l16 16M9.5 5.8A9 9 0 0 1 21 12a13 13 0 0 1-2.3 3.1M6.2 7.6A13 13 0 0 0 3 12c2 4 5.3 6.2 9 6.2a9 9 0 0 0 4-.9M10 10.2a2.5 2.5 0 0 0 3.6 3.5";

export function moderationActions(tweet: Tweet): MenuItem[] {
  const text = moderationTexts();
  const items: MenuItem[] = [];
  if (tweet.author.id !== session.me.id) {
    const props = { subject: { tweet_id: tweet.id }, person: tweet.author };
    items.push({
      label: text.report,
      icon: FLAG,
      onSelect: () => openDialog({ kind: "other", component: ReportDialog, props }),
    });
  }
  if (session.me.moderator) {
    items.push({
      label: text.hide,
      icon: EYE,
      destructive: true,
      onSelect: () => openDialog({ kind: "other", component: HideTweetDialog, props: { tweet } }),
    });
  }
  return items;
}

export function personActions({ id, name }: Person): MenuItem[] {
  const person = { id, name };
  const props = { subject: { user_id: id }, person };
  const items: MenuItem[] = [
    {
      label: moderationTexts().report,
      icon: FLAG,
      onSelect: () => openDialog({ kind: "other", component: ReportDialog, props }),
    },
  ];
  if (session.me.administrator) {
    const path = `${ADMINISTRATION}/people/${id}`;
    items.push({ label: texts().administration, icon: "shield", onSelect: () => navigate(path) });
    items.push({
      label: texts().inviteAgain,
      onSelect: () => openDialog({ kind: "invite", person }),
    });
  }
  return items;
}

/** Counts the open reports for the badge. */
export async function countReports() {
  if (!session.me.moderator) return;
  try {
    live.reports = await api.countOpenReports();
  } catch (error) {
    // They are counted again soon.
    if (!(error instanceof ApiError)) throw error;
  }
}
