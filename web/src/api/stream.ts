/**
 * The server's notices (`GET /api/stream`), with one connection for all tabs of a browser: over HTTP/1.1
 * a browser opens six connections to a host at most, and a seventh stream would wait without an error.
 *
 * The tab that holds a Web Lock is the leader. The leader has the connection and passes the notices on
 * through a BroadcastChannel. The other tabs wait for the lock: when the leader is closed, the next tab
 * gets the lock and resumes after the last notice. Tabs tell the leader what they show, and whether they
 * are hidden. A visible tab that gets no answer takes the lock away, because browsers suspend hidden tabs.
 *
 * Outside of a secure context there are no Web Locks. There each tab has its own stream while it is visible.
 */

import { ApiError, call } from "./client";

interface Contents {
  tweet: { tweet: number; author: number; root: number | null; parent: number | null };
  deleted: { tweet: number; root: number | null };
  counts: { tweet: number; likes: number; replies: number };
  notification: { group: string; kind: string; seq: number; unread: number };
  unread: { count: number; seen: number };
  /** The server no longer knows what came after the last notice: everything has to be read again. */
  resync: object;
  /** The session has ended. */
  ended: object;
}

type Kind = keyof Contents;

export type Notice = {
  [K in Kind]: {
    kind: K;
    content: Contents[K];
    /** Whether a tab of this browser shows everyone's tweets: then the server tells of all tweets. */
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

/** What the tabs say to each other. */
type Message =
  | { say: "tab"; id: string; state: TabState }
  | { say: "bye"; id: string }
  | { say: "who" }
  | { say: "state"; streaming: boolean; position: number | null }
  | { say: "gap" }
  | { say: "notice"; notice: Notice; position: number | null };

export interface StreamListener {
  hear(notice: Notice): void;
  /** Whether notices come; while they do not, the page asks for itself. */
  onStreaming(streaming: boolean): void;
  /** Notices may have been missed: what is shown has to be compared with the server. */
  onGap(): void;
  /** The server answered with something else than a stream; the session may have ended. */
  onRefused(): void;
}

/** The limits of `POST /api/stream/watching`. */
const MAX_TWEETS = 100;
const MAX_THREADS = 10;

const HIDDEN_MS = 5 * 60_000;
const INTERESTS_MS = 1000;
const ANSWER_MS = 3000;
/** The first delay of a reconnection is between this and four times this. */
const RECONNECT_MS = 1000;
const MAX_RECONNECT_MS = 60_000;
const LOOK_MS = 20_000;
/** A pause of the timer above it means that the computer has slept: its connection is dead. */
const SLEPT_MS = 3 * 60_000;

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
  /** Whether this tab has heard of an open stream before. */
  #begun = false;
  #position: number | null = null;

  /** Ends the leadership of this tab; null while another tab leads. */
  #release: (() => void) | null = null;
  #answer: ReturnType<typeof setTimeout> | undefined;

  // What follows is used by the leader.
  #others = new Map<string, TabState>();
  #source: EventSource | null = null;
  #token: string | null = null;
  #sent = "";
  #views = "";
  #failures = 0;
  #reconnect: ReturnType<typeof setTimeout> | undefined;
  #resting: ReturnType<typeof setTimeout> | undefined;
  #sending: ReturnType<typeof setTimeout> | undefined;

  constructor(
    person: number,
    readonly listener: StreamListener,
  ) {
    this.#lock = `warble.stream.${person}`;
    this.#channel = new BroadcastChannel(this.#lock);
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#onMessage(data);
    const { signal } = this.#closing;
    document.addEventListener("visibilitychange", this.#onVisibility, { signal });
    addEventListener("online", () => this.#reconnect && this.#retryIn(RECONNECT_MS), { signal });
    addEventListener("pagehide", () => this.#leave(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.#join(), { signal });
    let looked = Date.now();
    const look = setInterval(() => {
      if (Date.now() - looked > SLEPT_MS && this.#source) this.#connect();
      looked = Date.now();
    }, LOOK_MS);
    signal.addEventListener("abort", () => clearInterval(look));
    this.#join();
  }

  /** Tells what this tab shows now. */
  watch(interests: Interests) {
    this.#own = { ...this.#own, interests };
    this.#tellLeader();
  }

  close() {
    this.#leave();
    this.#closing.abort();
    this.#channel.close();
  }

  #say(message: Message) {
    this.#channel.postMessage(message);
  }

  // Choosing the leader.

  #join() {
    if (navigator.locks) {
      void this.#waitForLock({});
      this.#tellLeader();
    } else if (this.#own.visible) {
      this.#lead();
    }
  }

  #leave() {
    this.#say({ say: "bye", id: this.#id });
    clearTimeout(this.#answer);
    this.#waiting?.abort();
    this.#release?.();
    this.#show(false);
  }

  #waiting: AbortController | null = null;

  async #waitForLock({ steal = false }) {
    this.#waiting?.abort();
    const { signal } = (this.#waiting = new AbortController());
    try {
      // A lock that is stolen cannot be waited for, and takes no signal.
      await navigator.locks.request(this.#lock, steal ? { steal } : { signal }, () => {
        if (signal.aborted) return;
        return new Promise<void>((resolve) => {
          this.#lead(resolve);
        });
      });
    } catch {
      // This tab has left, or another tab has taken the lock away.
      if (signal.aborted) return;
      this.#release?.();
      void this.#waitForLock({});
    }
  }

  #lead(resolve = () => {}) {
    clearTimeout(this.#answer);
    this.#others.clear();
    this.#release = () => {
      this.#release = null;
      this.#disconnect();
      clearTimeout(this.#resting);
      clearTimeout(this.#sending);
      this.#resting = this.#sending = undefined;
      resolve();
    };
    if (navigator.locks) this.#say({ say: "who" });
    this.#connect();
  }

  #onVisibility = () => {
    this.#own = { ...this.#own, visible: !document.hidden };
    if (navigator.locks) this.#tellLeader();
    else if (this.#own.visible) this.#lead();
    else this.#release?.();
  };

  #tellLeader() {
    if (this.#release) {
      this.#onTabs();
      return;
    }
    if (!navigator.locks) return;
    this.#say({ say: "tab", id: this.#id, state: this.#own });
    clearTimeout(this.#answer);
    if (this.#own.visible) {
      this.#answer = setTimeout(() => void this.#waitForLock({ steal: true }), ANSWER_MS);
    }
  }

  #onMessage(message: Message) {
    if (this.#release) {
      if (message.say === "tab") {
        this.#others.set(message.id, message.state);
        this.#tellState();
        this.#onTabs();
      } else if (message.say === "bye") {
        this.#others.delete(message.id);
        this.#onTabs();
      }
      return;
    }
    if (message.say === "who") {
      this.#tellLeader();
    } else if (message.say === "state") {
      clearTimeout(this.#answer);
      this.#position = message.position ?? this.#position;
      this.#show(message.streaming);
    } else if (message.say === "gap") {
      if (this.#begun) this.listener.onGap();
    } else if (message.say === "notice") {
      this.#position = message.position ?? this.#position;
      this.listener.hear(message.notice);
    }
  }

  #show(streaming: boolean) {
    if (streaming !== this.#streaming) {
      this.#streaming = streaming;
      this.listener.onStreaming(streaming);
    }
    // What this tab read before it listened may be older than the first notice that it hears.
    if (streaming && !this.#begun) {
      this.#begun = true;
      this.listener.onGap();
    }
  }

  // What only the leader does.

  #tellState() {
    this.#say({ say: "state", streaming: this.#streaming, position: this.#position });
  }

  /** Called whenever what the tabs show has changed, or whether one of them is visible. */
  #onTabs() {
    const visible = this.#own.visible || [...this.#others.values()].some((tab) => tab.visible);
    if (visible) {
      clearTimeout(this.#resting);
      this.#resting = undefined;
      if (!this.#source && !this.#reconnect) this.#connect();
    } else {
      this.#resting ??= setTimeout(() => this.#disconnect(), HIDDEN_MS);
    }
    const { threads, everyone } = this.#interests();
    const views = JSON.stringify([threads, everyone]);
    // Scrolling changes the tweets all the time. Another view begins to be told at once.
    if (views !== this.#views) void this.#sendInterests();
    else this.#sending ??= setTimeout(() => void this.#sendInterests(), INTERESTS_MS);
    this.#views = views;
  }

  #interests(): Interests {
    const all = [this.#own, ...this.#others.values()].map(({ interests }) => interests);
    const union = (of: (interests: Interests) => number[]) => [...new Set(all.flatMap(of))];
    return {
      tweets: union(({ tweets }) => tweets).slice(0, MAX_TWEETS),
      threads: union(({ threads }) => threads).slice(0, MAX_THREADS),
      everyone: all.some(({ everyone }) => everyone),
    };
  }

  async #sendInterests() {
    clearTimeout(this.#sending);
    this.#sending = undefined;
    if (this.#token === null) return;
    const interests = this.#interests();
    const wanted = JSON.stringify(interests);
    if (wanted === this.#sent) return;
    this.#sent = wanted;
    try {
      await call("POST", "/stream/watching", { stream: this.#token, ...interests });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#sent = "";
      this.#sending ??= setTimeout(() => void this.#sendInterests(), LOOK_MS);
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
      this.#sent = JSON.stringify(interests);
      this.#position ??= position;
      this.#failures = 0;
      if (!resumes) this.#say({ say: "gap" });
      this.#show(true);
      this.#tellState();
      this.#onTabs();
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, ({ data, lastEventId }: MessageEvent<string>) => {
        if (lastEventId) this.#position = Number(lastEventId);
        const { everyone } = this.#interests();
        const notice = { kind, content: JSON.parse(data), everyone } as Notice;
        this.#say({ say: "notice", notice, position: this.#position });
        this.listener.hear(notice);
      });
    }
    source.onerror = () => {
      const refused = source.readyState === EventSource.CLOSED;
      this.#disconnect();
      const longest = Math.min(MAX_RECONNECT_MS, 4 * RECONNECT_MS * 2 ** this.#failures++);
      this.#retryIn(longest);
      if (refused) this.listener.onRefused();
    };
  }

  /** Connects after a random part of this time, so that a restarted server is not asked by all at once. */
  #retryIn(longest: number) {
    clearTimeout(this.#reconnect);
    this.#reconnect = setTimeout(() => this.#connect(), longest * (0.25 + 0.75 * Math.random()));
  }

  #disconnect() {
    clearTimeout(this.#reconnect);
    this.#reconnect = undefined;
    if (!this.#source) return;
    this.#source.close();
    this.#source = null;
    this.#token = null;
    this.#show(false);
    this.#tellState();
  }
}
