/** The menu items of a tweet, except Delete. Fetched when the pointer or the focus is at the menu. */

import type { MenuItem } from "../components/Menu.svelte";
import { moderationActions } from "./moderation.svelte";
import { loadPins, pinActions } from "./pins.svelte";
import { session } from "./session.svelte";
import { loadThreadState } from "./subscriptions.svelte";
import type { Tweet } from "./tweetCache.svelte";

export { threadActions } from "./subscriptions.svelte";

/** Loads the states that the menu items depend on. */
export async function loadMenuState(tweet: Tweet) {
  const own = tweet.author.id === session.me.id;
  await Promise.all([loadThreadState(tweet), own && loadPins(session.me.id)]);
}

export const tweetActions = (tweet: Tweet): MenuItem[] => [
  ...pinActions(tweet),
  ...moderationActions(tweet),
];
