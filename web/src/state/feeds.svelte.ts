/** The lists of tweets, kept while the page is open: who comes back finds the place again. */

import * as api from "../api/client";
import { Paged } from "./paged.svelte";
import { preferences } from "./preferences.svelte";
import { who } from "./session.svelte";
import { addToThreads } from "./threads.svelte";
import { keep, kept, type Tweet } from "./tweets.svelte";

const ANNOUNCED = 20;
/** Why a feed shows a tweet may change, and end. */
const NO_REASON = { conversation: null, followed_tag: null };

/** One of the reader's feeds, which hears of new tweets and shows them when it is asked to. */
export class Feed extends Paged<Tweet> {
  /** New tweets that are not in the list yet, the newest first. */
  waiting = $state<Tweet[]>([]);
  /** The ids of new tweets that are not read yet. */
  announced = $state.raw<number[]>([]);
  /** What it shows is outdated: the reader follows others now. */
  outdated = $state(false);

  #newest: number | null = null;

  constructor(readonly selection: api.Selection) {
    super((cursor) => kept(api.feed(selection, cursor), NO_REASON));
  }

  override async refresh() {
    this.outdated = false;
    await super.refresh();
    this.waiting = [];
    this.announced = [];
    this.#newest = null;
    if (this.selection.order === "recent") this.add([]);
    else await this.look();
  }

  /** How many new tweets the reader can have. */
  get news() {
    return this.waiting.filter(({ deleted }) => !deleted).length + this.announced.length;
  }

  has = (id: number) => [...this.items, ...this.waiting].some((tweet) => tweet.id === id);

  announce(id: number) {
    if (!this.announced.includes(id)) this.announced = [...this.announced, id];
  }

  forget(id: number) {
    this.announced = this.announced.filter((other) => other !== id);
  }

  /** Asks for tweets that have come since; the first time it only learns where it stands. */
  async look() {
    let items: Tweet[];
    const announced = this.announced;
    try {
      const { scope, replies } = this.selection;
      const latest: api.Selection = { order: "recent", scope, replies, since: "all" };
      ({ items } = await kept(api.feed(latest, null, ANNOUNCED), NO_REASON));
    } catch (error) {
      // The next look is soon.
      if (error instanceof api.ApiError) return;
      throw error;
    }
    const newest = this.#newest;
    if (newest === null) {
      this.#newest = Math.max(0, ...items.map((tweet) => tweet.id));
      return;
    }
    const here = new Set(this.items.map((tweet) => tweet.id));
    this.waiting = items.filter((tweet) => tweet.id > newest && !here.has(tweet.id));
    this.announced = this.announced.filter((id) => !announced.includes(id) && !this.has(id));
    // In an empty feed nothing moves that somebody reads.
    if (this.items.length === 0) this.showWaiting();
  }

  showWaiting() {
    this.add(this.waiting);
    this.waiting = [];
  }

  /** Puts tweets on top, where a reader sees them whatever the order. */
  add(tweets: Tweet[]) {
    const added = new Set(tweets.map((tweet) => tweet.id));
    this.items = [...tweets, ...this.items.filter((tweet) => !added.has(tweet.id))];
    this.#newest = Math.max(this.#newest ?? 0, ...this.items.map(({ id }) => id));
  }
}

const feeds = new Map<string, Feed>();
const profiles = new Map<string, Paged<Tweet>>();

/** The feed that the reader has chosen. */
export function homeFeed(scope: api.Scope): Feed {
  const { order, replies, period } = preferences;
  const selection: api.Selection = {
    order,
    scope,
    // Conversations are those of people whom the reader follows.
    replies: scope === "everyone" && replies === "conversations" ? "none" : replies,
    since: order === "popular" ? period : "all",
  };
  const key = JSON.stringify(selection);
  const feed = feeds.get(key) ?? new Feed(selection);
  feeds.set(key, feed);
  return feed;
}

/** What a tab of a profile lists. */
export function tweetsOf(userId: number, list: api.ProfileList): Paged<Tweet> {
  const key = `${userId} ${list}`;
  const tweets =
    profiles.get(key) ?? new Paged((cursor) => kept(api.tweetsOf(userId, list, cursor)));
  profiles.set(key, tweets);
  return tweets;
}

export function outdateFollowing() {
  for (const feed of feeds.values()) if (feed.selection.scope === "following") feed.outdated = true;
}

/**
 * The reader's reply that was just posted goes into the threads that are open. The parent is read for
 * the number of its replies: counting here could count a reply twice of which a notice has told.
 */
export async function showReply(tweetId: number, parentId: number) {
  const counted = api.tweet(parentId).then(keep, () => {});
  const reply = keep(await api.tweet(tweetId));
  await counted;
  addToThreads(reply);
  for (const feed of feeds.values()) {
    if (feed.loaded && feed.selection.replies === "all") feed.add([reply]);
  }
}

/** The reader's tweet that was just posted goes where the reader looks next. */
export async function showPosted(tweetId: number) {
  const posted = keep(await api.tweet(tweetId));
  for (const feed of feeds.values()) if (feed.loaded) feed.add([posted]);
  const own = profiles.get(`${who.me.id} tweets`);
  if (own?.loaded) own.items = [posted, ...own.items.filter(({ id }) => id !== tweetId)];
}
