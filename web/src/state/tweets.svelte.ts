/** The tweets that this page has seen: one object for each, in however many lists it stands. */

import * as api from "../api/client";
import { reason } from "../text/reason";
import { tell } from "./notices.svelte";
import { words } from "./preferences.svelte";
import { who } from "./session.svelte";
import { isSettling, settle } from "./settle";

export type Tweet = api.Tweet & { deleted: boolean };

const seen = new Map<number, Tweet>();

export const seenTweet = (id: number): Tweet | null => seen.get(id) ?? null;

let changes = 0;
const likeChanges = new Map<number, number>();

/** How many likes the reader has given or taken. Taken before a read, it tells what the read may lack. */
export const likeChangeCount = () => changes;

/** `asOf`: what `likeChangeCount` was before the tweet was read. */
export function keep(tweet: api.Tweet, asOf = changes): Tweet {
  const known = seen.get(tweet.id);
  if (known === undefined) {
    const kept = $state({ ...tweet, deleted: false });
    seen.set(tweet.id, kept);
    return kept;
  }
  const isOlder = (likeChanges.get(tweet.id) ?? 0) > asOf;
  if (!isOlder && !isSettling(`like ${tweet.id}`)) Object.assign(known, tweet);
  return known;
}

/** `missing` is what a tweet has that comes without it. */
export async function kept(
  page: Promise<api.Page<api.Tweet>>,
  missing: Partial<api.Tweet> = {},
): Promise<api.Page<Tweet>> {
  const asOf = changes;
  const { items, cursor } = await page;
  return { items: items.map((tweet) => keep({ ...missing, ...tweet }, asOf)), cursor };
}

export function showLike(tweet: Tweet, on: boolean, counts = true) {
  likeChanges.set(tweet.id, ++changes);
  if (tweet.liked === on) return;
  const { id, name } = who.me;
  tweet.liked = on;
  if (counts) tweet.like_count += on ? 1 : -1;
  tweet.likes = tweet.likes.filter((like) => like.user_id !== id);
  if (on) tweet.likes.push({ user_id: id, name });
}

export async function toggleLike(tweet: Tweet) {
  showLike(tweet, !tweet.liked);
  await settle(
    `like ${tweet.id}`,
    () => tweet.liked,
    (on) => api.setLike(tweet.id, on),
    (known, error) => {
      showLike(tweet, known);
      if (error instanceof api.ApiError && error.type === "TweetNotFound") tweet.deleted = true;
      tell(reason(error), true);
    },
  );
  likeChanges.set(tweet.id, ++changes);
}

/** Shows a person's new name on all that this page has. */
export function showName(userId: number, name: string) {
  for (const { author, likes } of seen.values()) {
    if (author.id === userId) author.name = name;
    for (const like of likes) if (like.user_id === userId) like.name = name;
  }
}

/**
 * Hides a tweet, and deletes it when it is too late to undo that. Whoever closes the page, or leaves it
 * for another, has not undone it: then the tweet is deleted at once. It stays if nothing can be sent,
 * or if the session has ended meanwhile.
 */
export function deleteTweet(tweet: Tweet, shown: () => void) {
  const undo = () => {
    tweet.deleted = false;
    shown();
  };
  tweet.deleted = true;
  tell(words().deleted, false, null, { undo, settle: () => sendDeletion(tweet) });
}

async function sendDeletion(tweet: Tweet) {
  try {
    await api.deleteTweet(tweet.id);
  } catch (error) {
    if (error instanceof api.ApiError && error.type === "TweetNotFound") return;
    tweet.deleted = false;
    tell(reason(error), true);
  }
}
