/** Lists of tweets. They live as long as the page, so that Back returns to the same place. */

import * as api from "../api/client";
import { PagedList } from "./pagedList.svelte";
import { preferences } from "./preferences.svelte";
import { session } from "./session.svelte";
import { addToThreads } from "./threads.svelte";
import { cacheTweet, cacheTweets, type Tweet } from "./tweetCache.svelte";

const MAX_NEW = 20;
/** The reason for a tweet in the feed is missing in the response if there is none any more. */
const NO_REASON = { conversation: null, followed_tag: null };

/** One of the reader's feeds. It collects new tweets and shows them when the reader wants to. */
export class Feed extends PagedList<Tweet> {
  /** New tweets that are loaded but not shown yet, the newest first. */
  newTweets = $state<Tweet[]>([]);
  /** The ids of new tweets that are not loaded yet. */
  announcedIds = $state.raw<number[]>([]);
  /** Whether the reader has followed or unfollowed somebody since it was loaded. */
  outdated = $state(false);

  #newest: number | null = null;
  /** The ids of announced tweets that are not shown yet. A later tweet may be readable before them. */
  #awaited = new Set<number>();

  constructor(readonly selection: api.Selection) {
    super((cursor) => cacheTweets(api.feed(selection, cursor), NO_REASON));
  }

  override async refresh() {
    this.outdated = false;
    await super.refresh();
    this.newTweets = [];
    this.announcedIds = [];
    this.#newest = null;
    if (this.selection.order === "recent") this.#rememberNewest();
    else await this.checkForNew();
  }

  /** How many new tweets there are to show. */
  get newCount() {
    return this.newTweets.filter(({ deleted }) => !deleted).length + this.announcedIds.length;
  }

  has = (id: number) => [...this.items, ...this.newTweets].some((tweet) => tweet.id === id);

  announce(id: number) {
    this.#awaited.add(id);
    if (!this.announcedIds.includes(id)) this.announcedIds = [...this.announcedIds, id];
  }

  forget(id: number) {
    this.#awaited.delete(id);
    this.announcedIds = this.announcedIds.filter((other) => other !== id);
  }

  /** Loads tweets that are newer than the list. The first time it only remembers the newest id. */
  async checkForNew() {
    let items: Tweet[];
    const announcedBefore = this.announcedIds;
    try {
      const { scope, replies } = this.selection;
      const latest: api.Selection = { order: "recent", scope, replies, since: "all" };
      ({ items } = await cacheTweets(api.feed(latest, null, MAX_NEW), NO_REASON));
    } catch (error) {
      // It is called again soon.
      if (error instanceof api.ApiError) return;
      throw error;
    }
    const newest = this.#newest;
    if (newest === null) {
      this.#newest = Math.max(0, ...items.map((tweet) => tweet.id));
      return;
    }
    const listed = new Set(this.items.map((tweet) => tweet.id));
    this.newTweets = items.filter(
      ({ id }) => (id > newest || this.#awaited.has(id)) && !listed.has(id),
    );
    this.announcedIds = this.announcedIds.filter(
      (id) => !announcedBefore.includes(id) && !this.has(id),
    );
    // In an empty feed, nothing can move away under the reader's eyes.
    if (this.items.length === 0) this.showNew();
  }

  showNew() {
    this.add(this.newTweets);
    this.newTweets = [];
  }

  /** Puts tweets at the top, in every order of the feed. */
  add(tweets: Tweet[]) {
    const added = new Set(tweets.map((tweet) => tweet.id));
    this.items = [...tweets, ...this.items.filter((tweet) => !added.has(tweet.id))];
    for (const id of added) this.#awaited.delete(id);
    this.#rememberNewest();
  }

  #rememberNewest() {
    this.#newest = Math.max(this.#newest ?? 0, ...this.items.map(({ id }) => id));
  }
}

const feeds = new Map<string, Feed>();
const profiles = new Map<string, PagedList<Tweet>>();

/** The feed with the order, replies and period that the reader has chosen. */
export function homeFeed(scope: api.Scope): Feed {
  const { order, replies, period } = preferences;
  const selection: api.Selection = {
    order,
    scope,
    // Conversations exist only among people whom the reader follows.
    replies: scope === "everyone" && replies === "conversations" ? "none" : replies,
    since: order === "popular" ? period : "all",
  };
  const key = JSON.stringify(selection);
  const feed = feeds.get(key) ?? new Feed(selection);
  feeds.set(key, feed);
  return feed;
}

/** The list of a profile's tab. */
export function profileTweets(userId: number, list: api.ProfileList): PagedList<Tweet> {
  const key = `${userId} ${list}`;
  const tweets =
    profiles.get(key) ?? new PagedList((cursor) => cacheTweets(api.tweetsOf(userId, list, cursor)));
  profiles.set(key, tweets);
  return tweets;
}

export function markFollowingOutdated() {
  for (const feed of feeds.values()) if (feed.selection.scope === "following") feed.outdated = true;
}

/**
 * Shows the reader's new reply in the loaded threads. The parent is fetched for its number of replies:
 * adding one here could count the reply twice, because the stream sends the number too.
 */
export async function showReply(tweetId: number, parentId: number) {
  const parentLoaded = api.tweet(parentId).then(cacheTweet, () => {});
  const reply = cacheTweet(await api.tweet(tweetId));
  await parentLoaded;
  addToThreads(reply);
  for (const feed of feeds.values()) {
    if (feed.loaded && feed.selection.replies === "all") feed.add([reply]);
  }
}

/** Shows the reader's new tweet in the loaded feeds and on the reader's profile. */
export async function showPosted(tweetId: number) {
  const posted = cacheTweet(await api.tweet(tweetId));
  for (const feed of feeds.values()) if (feed.loaded) feed.add([posted]);
  const own = profiles.get(`${session.me.id} tweets`);
  if (own?.loaded) own.items = [posted, ...own.items.filter(({ id }) => id !== tweetId)];
}
