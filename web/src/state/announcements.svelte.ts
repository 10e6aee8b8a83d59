/** The current announcements, and which of them the reader has collapsed. */

import { SvelteSet } from "svelte/reactivity";
import * as api from "../api/announcements";
import { ApiError } from "../api/client";
import { tweetsById } from "../api/notifications";
import { errorText } from "../text/errorTextLookup.svelte";
import { showToast } from "./toasts.svelte";
import { session } from "./session.svelte";
import { getStored, setStored } from "./storage";
import { cacheTweet, type Tweet } from "./tweetCache.svelte";

export interface ShownAnnouncement extends api.Announcement {
  tweet: Tweet;
}

let shown = $state<ShownAnnouncement[]>([]);
let loaded = $state(false);
const collapsed = new SvelteSet<number>(JSON.parse(getStored("collapsed") ?? "[]") as number[]);

const expanded = new SvelteSet<number>();

export const announcements = {
  get all() {
    return shown;
  },
  get loaded() {
    return loaded;
  },
};

/** Raises ApiError. */
export async function loadAnnouncements() {
  const all = await api.announcements();
  const tweets = new Map((await tweetsById(all.map((it) => it.tweet_id))).map((it) => [it.id, it]));
  shown = all.flatMap((each) => {
    const tweet = tweets.get(each.tweet_id);
    return tweet ? [{ ...each, tweet: cacheTweet(tweet) }] : [];
  });
  loaded = true;
}

/** Loads them again. If that fails, those that are shown stay. */
export async function refreshAnnouncements() {
  try {
    await loadAnnouncements();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

/** Whether the reader has to confirm that they have read it. */
export const needsConfirmation = ({ acknowledge, acknowledged, author }: api.Announcement) =>
  acknowledge && !acknowledged && author.id !== session.me.id;

/** Confirmed announcements are collapsed until the reader expands them, others only if the reader collapsed them. */
export const isCollapsed = (it: api.Announcement) =>
  it.acknowledged
    ? !expanded.has(it.tweet_id)
    : !needsConfirmation(it) && collapsed.has(it.tweet_id);

export function setCollapsed({ tweet_id: id }: api.Announcement, on: boolean) {
  if (on) {
    collapsed.add(id);
    expanded.delete(id);
  } else {
    collapsed.delete(id);
    expanded.add(id);
  }
  const current = new Set(shown.map((it) => it.tweet_id));
  setStored("collapsed", JSON.stringify([...collapsed].filter((each) => current.has(each))));
}

export async function confirm(it: ShownAnnouncement) {
  it.acknowledged = true;
  setCollapsed(it, true);
  try {
    await api.acknowledge(it.tweet_id);
  } catch (error) {
    it.acknowledged = false;
    setCollapsed(it, false);
    showToast(errorText(error), true);
  }
}
