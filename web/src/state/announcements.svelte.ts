/** The announcements in force, and which of them the reader has folded. */

import { SvelteSet } from "svelte/reactivity";
import * as api from "../api/announcements";
import { ApiError } from "../api/client";
import { tweetsById } from "../api/notifications";
import { reason } from "../text/reason";
import { tell } from "./notices.svelte";
import { who } from "./session.svelte";
import { keep as store, kept } from "./storage";
import { keep, type Tweet } from "./tweets.svelte";

export interface Shown extends api.Announcement {
  tweet: Tweet;
}

let shown = $state<Shown[]>([]);
let loaded = $state(false);
const folded = new SvelteSet<number>(JSON.parse(kept("folded") ?? "[]") as number[]);

const opened = new SvelteSet<number>();

export const announced = {
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
    return tweet ? [{ ...each, tweet: keep(tweet) }] : [];
  });
  loaded = true;
}

/** Asks again, and leaves what is shown if that fails. */
export async function refreshAnnouncements() {
  try {
    await loadAnnouncements();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

/** Whether the reader is asked to confirm it. */
export const isAsked = ({ acknowledge, acknowledged, author }: api.Announcement) =>
  acknowledge && !acknowledged && author.id !== who.me.id;

/** What was confirmed is folded until the reader opens it; the rest when the reader folds it. */
export const isFolded = (it: api.Announcement) =>
  it.acknowledged ? !opened.has(it.tweet_id) : !isAsked(it) && folded.has(it.tweet_id);

export function fold({ tweet_id: id }: api.Announcement, on: boolean) {
  if (on) {
    folded.add(id);
    opened.delete(id);
  } else {
    folded.delete(id);
    opened.add(id);
  }
  const current = new Set(shown.map((it) => it.tweet_id));
  store("folded", JSON.stringify([...folded].filter((each) => current.has(each))));
}

export async function confirm(it: Shown) {
  it.acknowledged = true;
  fold(it, true);
  try {
    await api.acknowledge(it.tweet_id);
  } catch (error) {
    it.acknowledged = false;
    fold(it, false);
    tell(reason(error), true);
  }
}
