/** What readers and moderators do with tweets and people that break the rules. */

import * as api from "../api/moderation";
import { ApiError, type Person } from "../api/client";
import type { MenuItem } from "../parts/Menu.svelte";
import HideTweet from "../parts/HideTweet.svelte";
import Report from "../parts/Report.svelte";
import { moderating } from "../text/moderating";
import { show } from "./dialogs.svelte";
import { live } from "./live.svelte";
import { words } from "./preferences.svelte";
import { ADMINISTRATION, go } from "./route.svelte";
import { who } from "./session.svelte";
import type { Tweet } from "./tweets.svelte";

const FLAG = "M6 21V4M6 4.5c5-2.5 7 2 13 0v9c-6 2-8-2.5-13 0";
const EYE =
  "M4 4l16 16M9.5 5.8A9 9 0 0 1 21 12a13 13 0 0 1-2.3 3.1M6.2 7.6A13 13 0 0 0 3 12c2 4 5.3 6.2 9 6.2a9 9 0 0 0 4-.9M10 10.2a2.5 2.5 0 0 0 3.6 3.5";

export function moderationActions(tweet: Tweet): MenuItem[] {
  const text = moderating();
  const items: MenuItem[] = [];
  if (tweet.author.id !== who.me.id) {
    const props = { subject: { tweet_id: tweet.id }, person: tweet.author };
    items.push({
      label: text.report,
      icon: FLAG,
      act: () => show({ kind: "other", part: Report, props }),
    });
  }
  if (who.me.moderator) {
    items.push({
      label: text.hide,
      icon: EYE,
      bad: true,
      act: () => show({ kind: "other", part: HideTweet, props: { tweet } }),
    });
  }
  return items;
}

export function personActions({ id, name }: Person): MenuItem[] {
  const person = { id, name };
  const props = { subject: { user_id: id }, person };
  const items: MenuItem[] = [
    {
      label: moderating().report,
      icon: FLAG,
      act: () => show({ kind: "other", part: Report, props }),
    },
  ];
  if (who.me.administrator) {
    const place = `${ADMINISTRATION}/people/${id}`;
    items.push({ label: words().administration, icon: "shield", act: () => go(place) });
    items.push({ label: words().inviteAgain, act: () => show({ kind: "invite", person }) });
  }
  return items;
}

/** Counts the open reports for the badge. */
export async function countReports() {
  if (!who.me.moderator) return;
  try {
    live.reports = await api.countOpenReports();
  } catch (error) {
    // The next time they are counted again.
    if (!(error instanceof ApiError)) throw error;
  }
}
