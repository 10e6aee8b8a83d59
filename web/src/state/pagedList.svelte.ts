/** A list that is fetched page by page, by cursor. */

import { ApiError, type Page } from "../api/client";

export class PagedList<T extends { id: number | string }> {
  items = $state<T[]>([]);
  loading = $state(false);
  failure = $state<ApiError | null>(null);
  /** Whether the first page has been loaded. */
  loaded = $state(false);
  /** Whether the last page has been loaded. */
  atEnd = $state(false);

  #cursor: string | null = null;
  #fetch: (cursor: string | null) => Promise<Page<T>>;
  #lastRequest = 0;
  #failedCursor: string | null = null;

  constructor(fetch: (cursor: string | null) => Promise<Page<T>>) {
    this.#fetch = fetch;
  }

  /** Fetches the next page, unless a page is being fetched or there is none. */
  async loadMore() {
    if (this.loading || this.atEnd) return;
    await this.#load(this.#cursor);
  }

  /** Fetches the first page again. The items stay until it has been loaded. */
  async refresh() {
    await this.#load(null);
  }

  /** Fetches the page again that failed. */
  async retry() {
    if (this.failure && !this.loading) await this.#load(this.#failedCursor);
  }

  async #load(cursor: string | null) {
    const request = ++this.#lastRequest;
    this.loading = true;
    this.failure = null;
    try {
      const page = await this.#fetch(cursor);
      if (request !== this.#lastRequest) return;
      // Likes may have moved a tweet from the last page to this one in the meantime.
      const loadedIds = new Set(cursor === null ? [] : this.items.map((item) => item.id));
      const added = page.items.filter((item) => !loadedIds.has(item.id));
      this.items = cursor === null ? added : [...this.items, ...added];
      this.#cursor = page.cursor;
      this.atEnd = page.cursor === null;
      this.loaded = true;
    } catch (error) {
      if (request !== this.#lastRequest) return;
      if (!(error instanceof ApiError)) throw error;
      this.failure = error;
      this.#failedCursor = cursor;
    } finally {
      if (request === this.#lastRequest) this.loading = false;
    }
  }
}
