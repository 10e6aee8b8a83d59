/** What the menu of a tweet offers beyond deleting it. Fetched when the pointer comes near. */

import type { MenuItem } from "../parts/Menu.svelte";
import { moderationActions } from "./moderation.svelte";
import { learnPins, pinActions } from "./pins.svelte";
import { who } from "./session.svelte";
import { learnThread } from "./subscriptions.svelte";
import type { Tweet } from "./tweets.svelte";

export { threadActions } from "./subscriptions.svelte";

/** Asks for what the menu depends on. */
export async function learn(tweet: Tweet) {
  const own = tweet.author.id === who.me.id;
  await Promise.all([learnThread(tweet), own && learnPins(who.me.id)]);
}

export const tweetActions = (tweet: Tweet): MenuItem[] => [
  ...pinActions(tweet),
  ...moderationActions(tweet),
];
