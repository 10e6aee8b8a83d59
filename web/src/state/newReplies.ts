/** Adds new replies to the open thread. Fetched after the first script. */

import { ApiError } from "../api/client";
import { presentTweet, readThread, type Thread } from "./threads.svelte";
import { cachedTweet, type Tweet } from "./tweetCache.svelte";

/** Shows new replies, except those that would move what the reader sees: they go to `newReplies`. */
export function addNewReplies(thread: Thread, replies: Tweet[]) {
  // More pages follow, which are fetched when the reader wants to.
  if (!thread.loaded || thread.next !== null) return;
  for (const reply of replies.toSorted((one, other) => one.id - other.id)) {
    const { id, reply_to: parent } = reply;
    const isHeldBack = (id: number | null) => thread.newReplies.some((other) => other.id === id);
    if (parent === null || isHeldBack(id) || thread.has(id)) continue;
    if (isHeldBack(parent)) thread.newReplies = [...thread.newReplies, reply];
    else if (!thread.has(parent)) continue;
    else if (movesVisible(thread, reply)) thread.newReplies = [...thread.newReplies, reply];
    else thread.add(reply);
  }
}

/** Whether a tweet on the screen or above it comes after the reply, and would move down. */
function movesVisible(thread: Thread, reply: Tweet): boolean {
  const tree = thread.tree([...thread.replies, reply]);
  const index = tree.findIndex(({ entry }) => entry === reply);
  return tree.slice(index + 1).some(({ entry }) => {
    const card = document.querySelector(`ol [data-tweet="${entry.id}"]`);
    return card !== null && card.getBoundingClientRect().top < innerHeight;
  });
}

/** Whether a tweet has more replies than are loaded. */
export function hasMissingReplies(thread: Thread): boolean {
  if (!thread.loaded || thread.previous !== null || thread.next !== null) return false;
  const loaded = [...thread.replies, ...thread.newReplies].map(presentTweet);
  return [presentTweet(thread.tweet), ...loaded].some((tweet) => {
    const shown = loaded.filter((reply) => reply && reply.reply_to === tweet?.id).length;
    return tweet !== null && shown < tweet.reply_count;
  });
}

/** Reads the thread again: adds new replies and hides deleted tweets. */
export async function catchUpThread(thread: Thread) {
  if (!thread.loaded) return;
  try {
    const { tweet, ancestors, replies } = await readThread(thread.id, null);
    for (const entry of [tweet, ...ancestors, ...replies]) {
      const deleted = "tombstone" in entry ? cachedTweet(entry.id) : null;
      if (deleted) deleted.deleted = true;
    }
    const ids = new Set(replies.map(({ id }) => id));
    addNewReplies(
      thread,
      [...ids].map(cachedTweet).filter((reply) => reply !== null),
    );
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}
