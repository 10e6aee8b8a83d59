/** New replies in a thread that is open. No part of the first script. */

import { ApiError } from "../api/client";
import { present, readThread, type Thread } from "./threads.svelte";
import { seenTweet, type Tweet } from "./tweets.svelte";

/** Shows new replies. Those that would move what is on the screen wait until the reader wants them. */
export function grow(thread: Thread, replies: Tweet[]) {
  // Behind the last page that is here come others, which are fetched when the reader wants them.
  if (!thread.loaded || thread.next !== null) return;
  for (const reply of replies.toSorted((one, other) => one.id - other.id)) {
    const { id, reply_to: parent } = reply;
    const waits = (wanted: number | null) => thread.waiting.some((other) => other.id === wanted);
    if (parent === null || waits(id) || thread.has(id)) continue;
    if (waits(parent)) thread.waiting = [...thread.waiting, reply];
    else if (!thread.has(parent)) continue;
    else if (movesReader(thread, reply)) thread.waiting = [...thread.waiting, reply];
    else thread.add(reply);
  }
}

/** Whether something on the screen, or above it, stands below the place of the reply. */
function movesReader(thread: Thread, reply: Tweet): boolean {
  const tree = thread.tree([...thread.replies, reply]);
  const at = tree.findIndex(({ entry }) => entry === reply);
  return tree.slice(at + 1).some(({ entry }) => {
    const card = document.querySelector(`ol [data-tweet="${entry.id}"]`);
    return card !== null && card.getBoundingClientRect().top < innerHeight;
  });
}

/** Whether replies were posted that are not here, as the counts of their parents tell. */
export function lacksReplies(thread: Thread): boolean {
  if (!thread.loaded || thread.previous !== null || thread.next !== null) return false;
  const here = [...thread.replies, ...thread.waiting].map(present);
  return [present(thread.tweet), ...here].some((tweet) => {
    const below = here.filter((reply) => reply && reply.reply_to === tweet?.id).length;
    return tweet !== null && below < tweet.reply_count;
  });
}

/** Reads what has happened in a thread since it was read. */
export async function compareThread(thread: Thread) {
  if (!thread.loaded) return;
  try {
    const { tweet, ancestors, replies } = await readThread(thread.id, null);
    for (const entry of [tweet, ...ancestors, ...replies]) {
      const gone = "tombstone" in entry ? seenTweet(entry.id) : null;
      if (gone) gone.deleted = true;
    }
    const ids = new Set(replies.map(({ id }) => id));
    grow(
      thread,
      [...ids].map(seenTweet).filter((reply) => reply !== null),
    );
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}
