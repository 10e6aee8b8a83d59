/** Threads: a tweet, the tweets above it, and the replies below it. */

import * as api from "../api/client";
import { keep, likeChangeCount, seenTweet, type Tweet } from "./tweets.svelte";

export type Tombstone = api.Tombstone;
export type Entry = Tweet | Tombstone;

/** The tweet at this place; null if it is gone. */
export const present = (entry: Entry | null): Tweet | null =>
  entry === null || "tombstone" in entry || entry.deleted ? null : entry;

/** Why there is no tweet at this place. */
export const why = (entry: Entry): Tombstone["tombstone"] | "moderated" => {
  if (!("tombstone" in entry)) return "deleted";
  return entry.hidden_by ? "moderated" : entry.tombstone;
};

type EntryView = api.Tweet | Tombstone;

const entryOf = (view: EntryView, asOf: number): Entry =>
  "tombstone" in view ? view : keep(view, asOf);

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

/** A reply at its place in the tree. */
export interface Reply {
  entry: Entry;
  parent: Entry | null;
  /** How far it is indented. */
  level: number;
  /** Whether the author continues the own tweet right above it. */
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
  /** Whether the first page is here. */
  loaded = $state(false);
  /** New replies that would move what is read: they wait until the reader wants them. */
  waiting = $state.raw<Tweet[]>([]);

  constructor(readonly id: number) {
    this.tweet = seenTweet(id);
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
      this.waiting = [];
    });
  }

  later() {
    return this.#load(this.next, (page) => {
      this.#add(page.replies);
      this.next = page.next_cursor;
    });
  }

  earlier() {
    return this.#load(this.previous, (page) => {
      const added = new Set(page.replies.map(({ id }) => id));
      this.replies = [...page.replies, ...this.replies.filter(({ id }) => !added.has(id))];
      this.previous = page.previous_cursor;
    });
  }

  has = (id: number) => id === this.id || this.replies.some((entry) => entry.id === id);

  /** Shows the reader's own new reply. */
  add(reply: Tweet) {
    if (reply.reply_to !== null && this.has(reply.reply_to)) this.#add([reply]);
  }

  showWaiting() {
    this.#add(this.waiting);
    this.waiting = [];
  }

  #add(replies: Entry[]) {
    this.replies = [...this.replies, ...replies.filter(({ id }) => !this.has(id))];
  }

  async #load(cursor: string | null, show: (page: ThreadPage) => void) {
    if (this.loading) return;
    this.loading = true;
    this.failure = null;
    try {
      show(await readThread(this.id, cursor));
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      this.failure = error;
    } finally {
      this.loading = false;
    }
  }

  /**
   * The replies as a tree, in the order in which they are read. A reply whose parent is on a page
   * that is not here stands at the left edge, and so does what the author adds to the own tweet.
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
    const found: Reply[] = [];
    const waiting: Reply[] = top
      .map((entry) => ({
        entry,
        parent: entry.reply_to === this.id ? this.tweet : null,
        level: 0,
        continues: entry.reply_to === this.id && author !== null && authorOf(entry) === author,
      }))
      .reverse();
    for (let reply = waiting.pop(); reply; reply = waiting.pop()) {
      const { entry, level } = reply;
      const below = children.get(entry.id) ?? [];
      // The API lists a tombstone only above replies; the reader's own deletion may leave none.
      const empty = below.length === 0 && !("tombstone" in entry) && entry.reply_count === 0;
      if (empty && !present(entry)) continue;
      found.push(reply);
      for (const child of below.toReversed()) {
        const continues = reply.continues && authorOf(child) === author;
        waiting.push({
          entry: child,
          parent: entry,
          level: continues ? level : Math.min(level + 1, MAX_LEVEL),
          continues,
        });
      }
    }
    return found;
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

/** Shows the reader's own new reply in every thread that has its parent. */
export function addToThreads(reply: Tweet) {
  for (const thread of threads.values()) thread.add(reply);
}
