/** The reader's notifications, in groups. No part of the first script. */

import * as api from "../api/notifications";
import { askUnread } from "./live.svelte";
import { Paged } from "./paged.svelte";
import { keep, type Tweet } from "./tweets.svelte";
import { ApiError } from "../api/client";

export interface Group extends api.Group {
  /** The tweet that it is about; null if it is gone. */
  tweet: Tweet | null;
  /** Whether it has come since the reader looked last, and was not opened. */
  fresh: boolean;
}

/** The marker at the reader's last look. */
let seen = 0;

class NotificationList extends Paged<Group> {
  /** Whether there are notifications that the list lacks. */
  outdated = $state(false);

  #newest = 0;

  constructor(readonly kind: api.Kind | null) {
    super(async (cursor) => {
      const page = await api.notifications(cursor, kind);
      if (cursor === null) {
        if (kind === null) seen = page.seen;
        this.#newest = newestOf(page.items);
        this.outdated = false;
      }
      const texts = await textsOf(page.items);
      const items = page.items.map((group) => {
        const tweet = texts.get(group.tweet_id ?? 0) ?? null;
        return { ...group, tweet, fresh: !group.read && group.seq > seen };
      });
      return { items, cursor: page.cursor };
    });
  }

  announce(seq: number) {
    if (seq > this.#newest) this.outdated = true;
  }

  /** Asks whether there are notifications that the list lacks. */
  async compare() {
    if (!this.loaded) return;
    try {
      this.announce(newestOf((await api.notifications(null, this.kind)).items));
    } catch (error) {
      // The next notification tells it.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Fetches the list again, and tells that the reader has seen what it shows. */
  async look() {
    await this.refresh();
    // One kind alone leaves the others unseen.
    if (this.kind !== null || this.failure || this.#newest === 0) return;
    try {
      await askUnread(() => api.markSeen(this.#newest));
    } catch (error) {
      // The next look moves the marker.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  async open(group: Group) {
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

const newestOf = (groups: api.Group[]) => Math.max(0, ...groups.map(({ seq }) => seq));

async function textsOf(groups: api.Group[]): Promise<Map<number, Tweet>> {
  const ids = new Set(groups.map((group) => group.tweet_id).filter((id) => id !== null));
  try {
    return new Map((await api.tweetsById([...ids])).map((tweet) => [tweet.id, keep(tweet)]));
  } catch (error) {
    // The groups say what has happened, without the texts.
    if (!(error instanceof ApiError)) throw error;
    return new Map();
  }
}

const LISTS = { all: null, mentions: "mention" } as const;
export type Filter = keyof typeof LISTS;

let lists: Record<Filter, NotificationList> | null = null;

/** The notifications of all kinds, and the mentions alone. */
export const notificationLists = () =>
  (lists ??= {
    all: new NotificationList(LISTS.all),
    mentions: new NotificationList(LISTS.mentions),
  });

let chosen = $state<Filter>("all");

/** Which of the lists is shown. It is kept for a reader who opens a notification and comes back. */
export const filter = {
  get chosen() {
    return chosen;
  },
  set chosen(value) {
    chosen = value;
  },
};
