/** The reader's notifications, in groups. Fetched after the first script. */

import * as api from "../api/notifications";
import { loadUnread } from "./liveStatus.svelte";
import { PagedList } from "./pagedList.svelte";
import { retryWhile } from "./retries";
import { cacheTweet, type Tweet } from "./tweetCache.svelte";
import { ApiError } from "../api/client";

export interface ShownGroup extends api.NotificationGroup {
  /** The tweet that it is about; null if it is deleted, or cannot be read yet. */
  tweet: Tweet | null;
  /** Whether the tweet is still being looked for. */
  awaited: boolean;
  /** Whether it is newer than the reader's last visit of the list, and not opened. */
  fresh: boolean;
}

/** The number of the newest notification at the reader's last visit of the list. */
let lastSeen = 0;

class NotificationList extends PagedList<ShownGroup> {
  /** Whether there are notifications that are missing in the list. */
  outdated = $state(false);

  #newest = 0;

  constructor(readonly kind: api.Kind | null) {
    super(async (cursor) => {
      const page = await api.notifications(cursor, kind);
      if (cursor === null) {
        if (kind === null) lastSeen = page.seen;
        this.#newest = newestOf(page.items);
        this.outdated = false;
      }
      const tweets = await tweetsOf(page.items);
      const items = page.items.map((group) => {
        const tweet = tweets.get(group.tweet_id ?? 0) ?? null;
        const fresh = !group.read && group.seq > lastSeen;
        // A new notification may arrive before its tweet can be read.
        return { ...group, tweet, awaited: fresh && !tweet && group.tweet_id !== null, fresh };
      });
      void this.#findTweets(items.filter(({ awaited }) => awaited).map(({ id }) => id));
      return { items, cursor: page.cursor };
    });
  }

  /** Looks for the tweets of these groups again. */
  async #findTweets(ids: string[]) {
    const awaited = () => this.items.filter((group) => group.awaited && ids.includes(group.id));
    await retryWhile(
      () => awaited().length > 0,
      async () => {
        const tweets = await tweetsOf(awaited());
        for (const group of awaited()) {
          group.tweet = tweets.get(group.tweet_id ?? 0) ?? null;
          group.awaited = !group.tweet;
        }
      },
    );
    for (const group of awaited()) group.awaited = false;
  }

  announce(seq: number) {
    if (seq > this.#newest) this.outdated = true;
  }

  /** Finds out whether there are notifications that are missing in the list. */
  async checkForNew() {
    if (!this.loaded) return;
    try {
      this.announce(newestOf((await api.notifications(null, this.kind)).items));
    } catch (error) {
      // The next notification marks the list as outdated too.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Loads the list again, and marks its notifications as seen. */
  async refreshAndMarkSeen() {
    await this.refresh();
    // The marker is for all kinds: a list of one kind must not move it.
    if (this.kind !== null || this.failure || this.#newest === 0) return;
    try {
      await loadUnread(() => api.markSeen(this.#newest));
    } catch (error) {
      // The next visit moves the marker.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  async open(group: ShownGroup) {
    if (group.read) return;
    group.read = true;
    group.fresh = false;
    try {
      await api.markRead(group.id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      group.read = false;
    }
  }
}

const newestOf = (groups: api.NotificationGroup[]) => Math.max(0, ...groups.map(({ seq }) => seq));

async function tweetsOf(groups: api.NotificationGroup[]): Promise<Map<number, Tweet>> {
  const ids = new Set(groups.map((group) => group.tweet_id).filter((id) => id !== null));
  try {
    return new Map((await api.tweetsById([...ids])).map((tweet) => [tweet.id, cacheTweet(tweet)]));
  } catch (error) {
    // The groups are shown without the tweets.
    if (!(error instanceof ApiError)) throw error;
    return new Map();
  }
}

const LISTS = { all: null, mentions: "mention" } as const;
export type Filter = keyof typeof LISTS;

let lists: Record<Filter, NotificationList> | null = null;

/** All notifications, and only the mentions. */
export const notificationLists = () =>
  (lists ??= {
    all: new NotificationList(LISTS.all),
    mentions: new NotificationList(LISTS.mentions),
  });

let chosen = $state<Filter>("all");

/** Which list is shown. It is remembered for a reader who opens a notification and goes back. */
export const filter = {
  get chosen() {
    return chosen;
  },
  set chosen(value) {
    chosen = value;
  },
};
