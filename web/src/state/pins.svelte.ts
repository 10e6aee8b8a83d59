/** The tweets that people have pinned to their profiles. */

import { SvelteMap } from "svelte/reactivity";
import * as api from "../api/announcements";
import { ApiError } from "../api/client";
import { tweetsById } from "../api/notifications";
import type { MenuItem } from "../parts/Menu.svelte";
import { announcing } from "../text/announcing";
import { reason } from "../text/reason";
import { tell } from "./notices.svelte";
import { who } from "./session.svelte";
import { keep, type Tweet } from "./tweets.svelte";

const PIN = "M9 4h6l-.7 5.5 3.2 3.5v1.5h-11V13l3.2-3.5zM12 14.5v6";

/** By person: the tweets, the latest pin first. */
const pinned = new SvelteMap<number, Tweet[]>();
/** How often the reader has pinned or unpinned something: what was asked before is out of date. */
let changes = 0;

export const pinnedBy = (id: number): Tweet[] =>
  (pinned.get(id) ?? []).filter(({ deleted }) => !deleted);

export async function learnPins(id: number) {
  const before = changes;
  try {
    const tweets = await tweetsById(await api.pins(id));
    if (id === who.me.id && changes !== before) return;
    pinned.set(
      id,
      tweets.map((tweet) => keep(tweet)),
    );
  } catch (error) {
    // The profile is shown without them.
    if (!(error instanceof ApiError)) throw error;
  }
}

const isPinned = (tweet: Tweet) => pinnedBy(who.me.id).some(({ id }) => id === tweet.id);

/** For the menu of an own tweet. */
export function pinActions(tweet: Tweet): MenuItem[] {
  if (tweet.author.id !== who.me.id) return [];
  const on = !isPinned(tweet);
  const label = on ? announcing().pin : announcing().unpin;
  return [{ label, icon: PIN, act: () => void setPin(tweet, on) }];
}

async function setPin(tweet: Tweet, on: boolean) {
  const others = pinnedBy(who.me.id).filter(({ id }) => id !== tweet.id);
  try {
    await api.setPin(tweet.id, on);
    changes++;
    pinned.set(who.me.id, on ? [tweet, ...others] : others);
    tell(on ? announcing().pinnedNow : announcing().unpinned);
  } catch (error) {
    tell(reason(error), true);
  }
}
