/**
 * The server's stream of notices (`GET /api/stream`). All tabs of a browser share one connection: over
 * HTTP/1.1 a browser opens at most six connections to a host, and a seventh stream would wait for ever.
 *
 * The tab that holds a Web Lock is the leader. The leader has the connection and passes the notices on
 * through a BroadcastChannel. The other tabs wait for the lock: when the leader is closed, the next tab
 * gets the lock and resumes after the last notice. Each tab sends the leader what it shows and whether it
 * is visible. Browsers suspend hidden tabs, so a visible tab that gets no response takes the lock over.
 *
 * Without https there are no Web Locks: then each tab has its own stream while it is visible.
 */

import { ApiError, call } from "./client";

interface Contents {
  tweet: { tweet: number; author: number; root: number | null; parent: number | null };
  deleted: { tweet: number; root: number | null };
  counts: { tweet: number; likes: number; replies: number };
  notification: { group: string; kind: string; seq: number; unread: number };
  unread: { count: number; seen: number };
  /** The server no longer has all notices since the last one: everything must be loaded again. */
  resync: object;
  /** The session has ended. */
  ended: object;
}

type Kind = keyof Contents;

export type Notice = {
  [K in Kind]: {
    kind: K;
    content: Contents[K];
    /** Whether a tab of this browser shows everyone's tweets, so that the server sends all tweets. */
    everyone: boolean;
  };
}[Kind];

const KINDS: Kind[] = ["tweet", "deleted", "counts", "notification", "unread", "resync", "ended"];

/** What a tab shows: the server sends the counts of these tweets and the replies in these threads. */
export interface Interests {
  tweets: number[];
  threads: number[];
  everyone: boolean;
}

interface TabState {
  visible: boolean;
  interests: Interests;
}

/** Messages between the tabs. */
type Message =
  | { type: "tab"; id: string; state: TabState }
  | { type: "leaving"; id: string }
  | { type: "new leader" }
  | { type: "state"; streaming: boolean; position: number | null }
  | { type: "gap" }
  | { type: "notice"; notice: Notice; position: number | null };

export interface StreamListener {
  onNotice(notice: Notice): void;
  /** Called when the stream connects and disconnects. While it is disconnected, the page polls. */
  onStreaming(streaming: boolean): void;
  /** Notices may have been missed: the page must load again what it shows. */
  onGap(): void;
  /** The server refused the stream. The session may have ended. */
  onRefused(): void;
}

/** The limits of `POST /api/stream/watching`. */
const MAX_TWEETS = 100;
const MAX_THREADS = 10;

const HIDDEN_MS = 5 * 60_000;
const INTERESTS_MS = 1000;
const LEADER_TIMEOUT_MS = 3000;
/** The longest first delay of a reconnection. The shortest is half of it, longer than a restart of the server. */
const RECONNECT_MS = 9000;
/** The longest delay when the network is back. */
const ONLINE_MS = 1000;
const MAX_RECONNECT_MS = 60_000;
const CHECK_MS = 20_000;
/** A longer pause between two checks means that the computer was asleep: its connection is dead. */
const SLEEP_MS = 3 * 60_000;

export class SharedStream {
  #id = `${Math.random()}`;
  #lock: string;
  #channel: BroadcastChannel;
  #own: TabState = {
    visible: !document.hidden,
    interests: { tweets: [], threads: [], everyone: false },
  };
  #closing = new AbortController();

  #streaming = false;
  /** Whether this tab has had an open stream before. */
  #hasStreamed = false;
  #position: number | null = null;

  /** Ends the leadership of this tab; null while another tab leads. */
  #release: (() => void) | null = null;
  #leaderTimer: ReturnType<typeof setTimeout> | undefined;

  // Used by the leader only.
  #others = new Map<string, TabState>();
  #source: EventSource | null = null;
  #token: string | null = null;
  /** The interests that the server has, and the views of the last change, as JSON. */
  #sentInterests = "";
  #sentViews = "";
  #failures = 0;
  #reconnectTimer: ReturnType<typeof setTimeout> | undefined;
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  #interestsTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    person: number,
    readonly listener: StreamListener,
  ) {
    this.#lock = `warble.stream.${person}`;
    this.#channel = new BroadcastChannel(this.#lock);
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#onMessage(data);
    const { signal } = this.#closing;
    document.addEventListener("visibilitychange", this.#onVisibility, { signal });
    addEventListener("online", () => this.#reconnectTimer && this.#reconnectWithin(ONLINE_MS), {
      signal,
    });
    addEventListener("pagehide", () => this.#leave(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.#join(), { signal });
    let checkedAt = Date.now();
    const check = setInterval(() => {
      if (Date.now() - checkedAt > SLEEP_MS && this.#source) this.#connect();
      checkedAt = Date.now();
    }, CHECK_MS);
    signal.addEventListener("abort", () => clearInterval(check));
    this.#join();
  }

  /** Sets what this tab shows now. */
  setInterests(interests: Interests) {
    this.#own = { ...this.#own, interests };
    this.#notifyLeader();
  }

  close() {
    this.#leave();
    this.#closing.abort();
    this.#channel.close();
  }

  #post(message: Message) {
    this.#channel.postMessage(message);
  }

  // Choosing the leader.

  #join() {
    if (navigator.locks) {
      void this.#waitForLock({});
      this.#notifyLeader();
    } else if (this.#own.visible) {
      this.#lead();
    }
  }

  #leave() {
    this.#post({ type: "leaving", id: this.#id });
    clearTimeout(this.#leaderTimer);
    this.#lockRequest?.abort();
    this.#release?.();
    this.#setStreaming(false);
  }

  #lockRequest: AbortController | null = null;

  async #waitForLock({ steal = false }) {
    this.#lockRequest?.abort();
    const { signal } = (this.#lockRequest = new AbortController());
    try {
      // `steal` takes the lock at once, and cannot be combined with a signal.
      await navigator.locks.request(this.#lock, steal ? { steal } : { signal }, () => {
        if (signal.aborted) return;
        return new Promise<void>((resolve) => {
          this.#lead(resolve);
        });
      });
    } catch {
      // This tab was closed, or another tab took the lock over.
      if (signal.aborted) return;
      this.#release?.();
      void this.#waitForLock({});
    }
  }

  #lead(resolve = () => {}) {
    clearTimeout(this.#leaderTimer);
    this.#others.clear();
    this.#release = () => {
      this.#release = null;
      this.#disconnect();
      clearTimeout(this.#hiddenTimer);
      clearTimeout(this.#interestsTimer);
      this.#hiddenTimer = this.#interestsTimer = undefined;
      resolve();
    };
    if (navigator.locks) this.#post({ type: "new leader" });
    this.#connect();
  }

  #onVisibility = () => {
    this.#own = { ...this.#own, visible: !document.hidden };
    if (navigator.locks) this.#notifyLeader();
    else if (this.#own.visible) this.#lead();
    else this.#release?.();
  };

  #notifyLeader() {
    if (this.#release) {
      this.#onTabs();
      return;
    }
    if (!navigator.locks) return;
    this.#post({ type: "tab", id: this.#id, state: this.#own });
    clearTimeout(this.#leaderTimer);
    if (this.#own.visible) {
      this.#leaderTimer = setTimeout(
        () => void this.#waitForLock({ steal: true }),
        LEADER_TIMEOUT_MS,
      );
    }
  }

  #onMessage(message: Message) {
    if (this.#release) {
      if (message.type === "tab") {
        this.#others.set(message.id, message.state);
        this.#sendState();
        this.#onTabs();
      } else if (message.type === "leaving") {
        this.#others.delete(message.id);
        this.#onTabs();
      }
      return;
    }
    if (message.type === "new leader") {
      this.#notifyLeader();
    } else if (message.type === "state") {
      clearTimeout(this.#leaderTimer);
      this.#position = message.position ?? this.#position;
      this.#setStreaming(message.streaming);
    } else if (message.type === "gap") {
      if (this.#hasStreamed) this.listener.onGap();
    } else if (message.type === "notice") {
      this.#position = message.position ?? this.#position;
      this.listener.onNotice(message.notice);
    }
  }

  #setStreaming(streaming: boolean) {
    if (streaming !== this.#streaming) {
      this.#streaming = streaming;
      this.listener.onStreaming(streaming);
    }
    // What this tab loaded before may be older than the first notice.
    if (streaming && !this.#hasStreamed) {
      this.#hasStreamed = true;
      this.listener.onGap();
    }
  }

  // The leader.

  #sendState() {
    this.#post({ type: "state", streaming: this.#streaming, position: this.#position });
  }

  /** Called when the interests or the visibility of any tab have changed. */
  #onTabs() {
    const visible = this.#own.visible || [...this.#others.values()].some((tab) => tab.visible);
    if (visible) {
      clearTimeout(this.#hiddenTimer);
      this.#hiddenTimer = undefined;
      if (!this.#source && !this.#reconnectTimer) this.#connect();
    } else {
      this.#hiddenTimer ??= setTimeout(() => this.#disconnect(), HIDDEN_MS);
    }
    const { threads, everyone } = this.#interests();
    const views = JSON.stringify([threads, everyone]);
    // Scrolling changes the tweets all the time, so these are sent with a delay. A new view is sent at once.
    if (views !== this.#sentViews) void this.#sendInterests();
    else this.#interestsTimer ??= setTimeout(() => void this.#sendInterests(), INTERESTS_MS);
    this.#sentViews = views;
  }

  #interests(): Interests {
    const all = [this.#own, ...this.#others.values()].map(({ interests }) => interests);
    const union = (ids: (interests: Interests) => number[]) => [...new Set(all.flatMap(ids))];
    return {
      tweets: union(({ tweets }) => tweets).slice(0, MAX_TWEETS),
      threads: union(({ threads }) => threads).slice(0, MAX_THREADS),
      everyone: all.some(({ everyone }) => everyone),
    };
  }

  async #sendInterests() {
    clearTimeout(this.#interestsTimer);
    this.#interestsTimer = undefined;
    if (this.#token === null) return;
    const interests = this.#interests();
    const wanted = JSON.stringify(interests);
    if (wanted === this.#sentInterests) return;
    this.#sentInterests = wanted;
    try {
      await call("POST", "/stream/watching", { stream: this.#token, ...interests });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#sentInterests = "";
      this.#interestsTimer ??= setTimeout(() => void this.#sendInterests(), CHECK_MS);
    }
  }

  #connect() {
    this.#disconnect();
    const interests = this.#interests();
    const query = new URLSearchParams();
    if (this.#position !== null) query.set("after", `${this.#position}`);
    if (interests.tweets.length) query.set("tweets", interests.tweets.join());
    if (interests.threads.length) query.set("threads", interests.threads.join());
    if (interests.everyone) query.set("everyone", "1");
    const source = (this.#source = new EventSource(`/api/stream?${query}`));
    source.addEventListener("welcome", ({ data }: MessageEvent<string>) => {
      const resumes = this.#position !== null;
      const { stream, position } = JSON.parse(data) as { stream: string; position: number };
      this.#token = stream;
      this.#sentInterests = JSON.stringify(interests);
      this.#position ??= position;
      this.#failures = 0;
      if (!resumes) this.#post({ type: "gap" });
      this.#setStreaming(true);
      this.#sendState();
      this.#onTabs();
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, ({ data, lastEventId }: MessageEvent<string>) => {
        if (lastEventId) this.#position = Number(lastEventId);
        const { everyone } = this.#interests();
        const notice = { kind, content: JSON.parse(data), everyone } as Notice;
        this.#post({ type: "notice", notice, position: this.#position });
        this.listener.onNotice(notice);
      });
    }
    source.onerror = () => {
      const refused = source.readyState === EventSource.CLOSED;
      this.#disconnect();
      const maxDelay = Math.min(MAX_RECONNECT_MS, RECONNECT_MS * 2 ** this.#failures++);
      this.#reconnectWithin(maxDelay);
      if (refused) this.listener.onRefused();
    };
  }

  /** Connects after a random part of `maxDelay`: not all browsers at once after a restart of the server. */
  #reconnectWithin(maxDelay: number) {
    clearTimeout(this.#reconnectTimer);
    this.#reconnectTimer = setTimeout(
      () => this.#connect(),
      maxDelay * (0.5 + 0.5 * Math.random()),
    );
  }

  #disconnect() {
    clearTimeout(this.#reconnectTimer);
    this.#reconnectTimer = undefined;
    if (!this.#source) return;
    this.#source.close();
    this.#source = null;
    this.#token = null;
    this.#setStreaming(false);
    this.#sendState();
  }
}
