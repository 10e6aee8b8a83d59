/** Threads: a tweet, the tweets above it, and the replies below it. */

import * as api from "../api/client";
import { cacheTweet, likeChangeCount, cachedTweet, type Tweet } from "./tweetCache.svelte";

export type Tombstone = api.Tombstone;
export type Entry = Tweet | Tombstone;

/** The tweet; null if it is deleted or hidden. */
export const presentTweet = (entry: Entry | null): Tweet | null =>
  entry === null || "tombstone" in entry || entry.deleted ? null : entry;

/** Why there is no tweet. */
export const absenceReason = (entry: Entry): Tombstone["tombstone"] | "moderated" => {
  if (!("tombstone" in entry)) return "deleted";
  return entry.hidden_by ? "moderated" : entry.tombstone;
};

type EntryView = api.Tweet | Tombstone;

const entryOf = (view: EntryView, asOf: number): Entry =>
  "tombstone" in view ? view : cacheTweet(view, asOf);

interface ThreadPage extends Pick<
  api.ThreadPage,
  "omitted_ancestors" | "previous_cursor" | "next_cursor"
> {
  tweet: Entry;
  ancestors: Entry[];
  replies: Entry[];
}

/** A page of a thread; see `api.thread`. */
export async function readThread(id: number, cursor: string | null): Promise<ThreadPage> {
  const asOf = likeChangeCount();
  const entries = (views: EntryView[]) => views.map((view) => entryOf(view, asOf));
  const page = await api.thread(id, cursor);
  return {
    ...page,
    tweet: entryOf(page.tweet, asOf),
    ancestors: entries(page.ancestors),
    replies: entries(page.replies),
  };
}

/** A reply in the tree. */
export interface Reply {
  entry: Entry;
  parent: Entry | null;
  /** How many steps it is indented. */
  level: number;
  /** Whether it is by the thread's author and continues the tweet right above it. */
  continues: boolean;
}

const MAX_LEVEL = 3;

export class Thread {
  tweet = $state<Entry | null>(null);
  ancestors = $state<Entry[]>([]);
  omitted = $state(0);
  replies = $state<Entry[]>([]);
  previous = $state<string | null>(null);
  next = $state<string | null>(null);
  loading = $state(false);
  failure = $state<api.ApiError | null>(null);
  /** Whether the first page has been loaded. */
  loaded = $state(false);
  /** New replies that would move what the reader sees. They are shown when the reader wants to. */
  newReplies = $state.raw<Tweet[]>([]);

  constructor(readonly id: number) {
    this.tweet = cachedTweet(id);
  }

  refresh() {
    return this.#load(null, (page) => {
      this.tweet = page.tweet;
      this.ancestors = page.ancestors;
      this.omitted = page.omitted_ancestors;
      this.replies = page.replies;
      this.previous = page.previous_cursor;
      this.next = page.next_cursor;
      this.loaded = true;
      this.newReplies = [];
    });
  }

  loadNext() {
    return this.#load(this.next, (page) => {
      this.#add(page.replies);
      this.next = page.next_cursor;
    });
  }

  loadPrevious() {
    return this.#load(this.previous, (page) => {
      const added = new Set(page.replies.map(({ id }) => id));
      this.replies = [...page.replies, ...this.replies.filter(({ id }) => !added.has(id))];
      this.previous = page.previous_cursor;
    });
  }

  has = (id: number) => id === this.id || this.replies.some((entry) => entry.id === id);

  /** Adds a new reply if its parent is loaded. */
  add(reply: Tweet) {
    if (reply.reply_to !== null && this.has(reply.reply_to)) this.#add([reply]);
  }

  showNew() {
    this.#add(this.newReplies);
    this.newReplies = [];
  }

  #add(replies: Entry[]) {
    this.replies = [...this.replies, ...replies.filter(({ id }) => !this.has(id))];
  }

  async #load(cursor: string | null, show: (page: ThreadPage) => void) {
    if (this.loading) return;
    this.loading = true;
    // "Not found" is shown until the tweet is found. Other failures have a button, which must show a response.
    if (this.failure?.status !== 404) this.failure = null;
    try {
      show(await readThread(this.id, cursor));
      this.failure = null;
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      this.failure = error;
    } finally {
      this.loading = false;
    }
  }

  /**
   * The replies as a tree, in reading order. Not indented are replies whose parent is on a page that is
   * not loaded, and those with which the author continues the thread.
   */
  tree(replies = this.replies): Reply[] {
    const byId = new Map(replies.map((entry) => [entry.id, entry]));
    const children = new Map<number, Entry[]>();
    const top: Entry[] = [];
    for (const entry of replies) {
      const parent = entry.reply_to;
      if (parent === null || !byId.has(parent)) top.push(entry);
      else children.set(parent, [...(children.get(parent) ?? []), entry]);
    }
    const author = authorOf(this.tweet);
    const ordered: Reply[] = [];
    const stack: Reply[] = top
      .map((entry) => ({
        entry,
        parent: entry.reply_to === this.id ? this.tweet : null,
        level: 0,
        continues: entry.reply_to === this.id && author !== null && authorOf(entry) === author,
      }))
      .reverse();
    for (let reply = stack.pop(); reply; reply = stack.pop()) {
      const { entry, level } = reply;
      const below = children.get(entry.id) ?? [];
      // The API lists a deleted tweet only if it has replies. One that the reader has just deleted may have none.
      const hasNoReplies = below.length === 0 && !("tombstone" in entry) && entry.reply_count === 0;
      if (hasNoReplies && !presentTweet(entry)) continue;
      ordered.push(reply);
      for (const child of below.toReversed()) {
        const continues = reply.continues && authorOf(child) === author;
        stack.push({
          entry: child,
          parent: entry,
          level: continues ? level : Math.min(level + 1, MAX_LEVEL),
          continues,
        });
      }
    }
    return ordered;
  }
}

const authorOf = (entry: Entry | null) =>
  entry === null || "tombstone" in entry ? null : entry.author.id;

const threads = new Map<number, Thread>();

export function threadOf(id: number): Thread {
  const thread = threads.get(id) ?? new Thread(id);
  threads.set(id, thread);
  return thread;
}

/** Adds the reader's new reply to every loaded thread that has its parent. */
export function addToThreads(reply: Tweet) {
  for (const thread of threads.values()) thread.add(reply);
}
