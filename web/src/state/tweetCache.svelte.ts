/**
 * The tweets that this page has loaded. Each tweet is one object, however many lists show it, so that a
 * change appears everywhere.
 */

import * as api from "../api/client";
import { errorText } from "../text/errorTextLookup.svelte";
import { showToast } from "./toasts.svelte";
import { texts } from "./preferences.svelte";
import { session } from "./session.svelte";
import { isSending, sendLatest } from "./optimistic";

export type Tweet = api.Tweet & { deleted: boolean };

const cache = new Map<number, Tweet>();

export const cachedTweet = (id: number): Tweet | null => cache.get(id) ?? null;

let changes = 0;
const likeChanges = new Map<number, number>();

/** How often the reader has liked or unliked. Read before a request, it shows which likes the response may lack. */
export const likeChangeCount = () => changes;

/** The page's object for a tweet. `asOf` is what `likeChangeCount` was before the tweet was requested. */
export function cacheTweet(tweet: api.Tweet, asOf = changes): Tweet {
  const known = cache.get(tweet.id);
  if (known === undefined) {
    const created = $state({ ...tweet, deleted: false });
    cache.set(tweet.id, created);
    return created;
  }
  const isOlder = (likeChanges.get(tweet.id) ?? 0) > asOf;
  if (!isOlder && !isSending(`like ${tweet.id}`)) Object.assign(known, tweet);
  return known;
}

/** The page's objects for a page of tweets. `defaults` are fields that the API leaves out. */
export async function cacheTweets(
  page: Promise<api.Page<api.Tweet>>,
  defaults: Partial<api.Tweet> = {},
): Promise<api.Page<Tweet>> {
  const asOf = changes;
  const { items, cursor } = await page;
  return { items: items.map((tweet) => cacheTweet({ ...defaults, ...tweet }, asOf)), cursor };
}

export function showLike(tweet: Tweet, on: boolean, changesCount = true) {
  likeChanges.set(tweet.id, ++changes);
  if (tweet.liked === on) return;
  const { id, name } = session.me;
  tweet.liked = on;
  if (changesCount) tweet.like_count += on ? 1 : -1;
  tweet.likes = tweet.likes.filter((like) => like.user_id !== id);
  if (on) tweet.likes.push({ user_id: id, name });
}

export async function toggleLike(tweet: Tweet) {
  showLike(tweet, !tweet.liked);
  await sendLatest(
    `like ${tweet.id}`,
    () => tweet.liked,
    (on) => api.setLike(tweet.id, on),
    (known, error) => {
      showLike(tweet, known);
      if (error instanceof api.ApiError && error.type === "TweetNotFound") tweet.deleted = true;
      showToast(errorText(error), true);
    },
  );
  likeChanges.set(tweet.id, ++changes);
}

/** Shows a person's new name on all tweets of this page. */
export function showName(userId: number, name: string) {
  for (const { author, likes } of cache.values()) {
    if (author.id === userId) author.name = name;
    for (const like of likes) if (like.user_id === userId) like.name = name;
  }
}

/**
 * Hides a tweet at once, and deletes it when its toast disappears or the page is closed: until then the
 * reader can undo it. `onUndone` is called if the reader does. The tweet appears again if the deletion fails.
 */
export function deleteTweet(tweet: Tweet, onUndone: () => void) {
  const undo = () => {
    tweet.deleted = false;
    onUndone();
  };
  tweet.deleted = true;
  showToast(texts().deleted, false, null, { undo, commit: () => sendDeletion(tweet) });
}

async function sendDeletion(tweet: Tweet) {
  try {
    await api.deleteTweet(tweet.id);
  } catch (error) {
    if (error instanceof api.ApiError && error.type === "TweetNotFound") return;
    tweet.deleted = false;
    showToast(errorText(error), true);
  }
}
