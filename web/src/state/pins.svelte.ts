/** The tweets that people have pinned to their profiles. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/pins";
import { ApiError } from "../api/client";
import { tweetsById } from "../api/notifications";
import type { MenuItem } from "../components/Menu.svelte";
import { announcementTexts } from "../text/announcementTexts";
import { errorText } from "../text/errorTextLookup.svelte";
import { showToast } from "./toasts.svelte";
import { session } from "./session.svelte";
import { cacheTweet, type Tweet } from "./tweetCache.svelte";

const PIN = "M9 4h6l-.7 5.5 3.2 3.5v1.5h-11V13l3.2-3.5zM12 14.5v6";

/** Pinned tweets by person, the last pinned first. */
const pinned = new SvelteMap<number, Tweet[]>();
/** How often the reader has pinned or unpinned a tweet: responses to earlier requests are outdated. */
let changes = 0;

export const pinnedBy = (id: number): Tweet[] =>
  (pinned.get(id) ?? []).filter(({ deleted }) => !deleted);

export async function loadPins(id: number) {
  const changesBefore = changes;
  try {
    const tweets = await tweetsById(await api.pins(id));
    if (id === session.me.id && changes !== changesBefore) return;
    pinned.set(
      id,
      tweets.map((tweet) => cacheTweet(tweet)),
    );
  } catch (error) {
    // The profile is shown without them.
    if (!(error instanceof ApiError)) throw error;
  }
}

const isPinned = (tweet: Tweet) => pinnedBy(session.me.id).some(({ id }) => id === tweet.id);

/** The menu items of the reader's own tweet. */
export function pinActions(tweet: Tweet): MenuItem[] {
  if (tweet.author.id !== session.me.id) return [];
  const on = !isPinned(tweet);
  const label = on ? announcementTexts().pin : announcementTexts().unpin;
  return [{ label, icon: PIN, onSelect: () => void setPin(tweet, on) }];
}

async function setPin(tweet: Tweet, on: boolean) {
  const others = pinnedBy(session.me.id).filter(({ id }) => id !== tweet.id);
  try {
    await api.setPin(tweet.id, on);
    changes++;
    pinned.set(session.me.id, on ? [tweet, ...others] : others);
    showToast(on ? announcementTexts().pinnedNow : announcementTexts().unpinned);
  } catch (error) {
    showToast(errorText(error), true);
  }
}
