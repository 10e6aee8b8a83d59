/** Live updates: applies the notices of the server's stream to what the page shows. Fetched later. */

import { untrack } from "svelte";
import { ApiError } from "../api/client";
import * as api from "../api/notifications";
import { SharedStream, type Notice } from "../api/stream";
import { homeFeed, type Feed } from "./tweetLists.svelte";
import { home } from "./homeTab.svelte";
import { catchUpThread, addNewReplies, hasMissingReplies } from "./newReplies";
import { loadUnread, live, showUnread } from "./liveStatus.svelte";
import { whenPosted } from "./draft.svelte";
import { notificationLists } from "./notifications.svelte";
import { showFollow } from "./people.svelte";
import { route } from "./route.svelte";
import { loadSession, session } from "./session.svelte";
import { isSending, onAccepted } from "./optimistic";
import { RETRY_DELAYS_MS, retryWhile } from "./retries";
import { threadOf, type Thread } from "./threads.svelte";
import { cacheTweet, cachedTweet, showLike, type Tweet } from "./tweetCache.svelte";

/** A notice reaches many readers at once. Their requests are spread over this time. */
const SPREAD_MS = 3000;
const POLL_MS = 20_000;
/** How many tweets one request can read. */
const MAX_IDS = 100;
/** How often the number of open reports is loaded for a moderator. */
const REPORTS_MS = 120_000;

/** Starts the live updates; returns the function that stops them. */
export function startUpdates(): () => void {
  const { id } = session.me;
  const stream = new SharedStream(id, {
    onNotice,
    onStreaming: (streaming) => (live.streaming = streaming),
    onGap: catchUp,
    onRefused: () => void loadSession(),
  });
  void refreshUnread();
  const countReports = () =>
    void import("./moderation.svelte").then((it) => it.countReports()).catch(() => {});
  const reports = session.me.moderator ? setInterval(countReports, REPORTS_MS) : undefined;
  if (reports) countReports();

  const stopWatchingScreen = watchScreen((tweets) => {
    shownTweets = tweets;
    sendInterests();
  });
  let shownTweets: number[] = [];
  const sendInterests = () =>
    stream.setInterests({
      tweets: shownTweets,
      threads: shownThreads(),
      everyone: showsEveryone(),
    });
  const stopEffects = $effect.root(() => {
    $effect(() => {
      void [shownThreads().join(), showsEveryone()];
      untrack(sendInterests);
    });
  });

  const poll = setInterval(() => {
    if (!live.streaming && !document.hidden) void catchUpOthers();
  }, POLL_MS);

  const ownChanges = new BroadcastChannel(`warble.changes.${id}`);
  ownChanges.onmessage = ({ data }: MessageEvent<[string, boolean]>) => showOwnChange(...data);
  onAccepted((key, on) => ownChanges.postMessage([key, on]));

  return () => {
    stream.close();
    stopWatchingScreen();
    stopEffects();
    clearInterval(poll);
    clearInterval(reports);
    ownChanges.close();
    onAccepted(null);
    live.unread = 0;
  };
}

// What the page shows.

const shownThread = (): Thread | null =>
  route.current.view === "tweet" ? threadOf(route.current.id) : null;

const shownThreads = () => {
  const thread = shownThread();
  return thread ? [thread.tweet?.root_id ?? thread.id] : [];
};

const shownFeed = (): Feed | null =>
  session.state === "signed in" && route.current.view === "home" ? homeFeed(home.scope) : null;

const showsEveryone = () => shownFeed()?.selection.scope === "everyone";

/** Calls `onChange` with the ids of the tweets on the screen whenever they change. */
function watchScreen(onChange: (tweets: number[]) => void): () => void {
  const visible = new Set<Element>();
  const observed = new WeakSet<Element>();
  const screen = new IntersectionObserver((entries) => {
    // A removed element is reported as not visible any more.
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) visible.add(target);
      else visible.delete(target);
    }
    onChange([...visible].map((element) => Number((element as HTMLElement).dataset.tweet)));
  });
  const observeNew = () => {
    for (const element of document.querySelectorAll("[data-tweet]")) {
      if (observed.has(element)) continue;
      observed.add(element);
      screen.observe(element);
    }
  };
  const page = new MutationObserver(observeNew);
  page.observe(document.body, { childList: true, subtree: true });
  observeNew();
  return () => {
    page.disconnect();
    screen.disconnect();
  };
}

// The notices.

function onNotice(notice: Notice) {
  if (session.state !== "signed in") return;
  switch (notice.kind) {
    case "tweet":
      return void onTweet(notice.content, notice.everyone);
    case "deleted": {
      const { tweet: id } = notice.content;
      const tweet = cachedTweet(id);
      if (tweet) tweet.deleted = true;
      shownFeed()?.forget(id);
      return;
    }
    case "counts": {
      const { tweet: id, likes, replies } = notice.content;
      const tweet = cachedTweet(id);
      if (!tweet) return;
      if (!isSending(`like ${id}`)) tweet.like_count = likes;
      tweet.reply_count = replies;
      completeThreadLater();
      return;
    }
    case "notification": {
      const { kind, seq, unread } = notice.content;
      const { all, mentions } = notificationLists();
      showUnread(unread);
      all.announce(seq);
      if (kind === mentions.kind) mentions.announce(seq);
      return;
    }
    case "unread":
      showUnread(notice.content.count);
      return;
    case "resync":
      return catchUp();
    case "ended":
      return void loadSession();
  }
}

type NewTweet = Extract<Notice, { kind: "tweet" }>["content"];

async function onTweet({ tweet, author, root, parent }: NewTweet, everyone: boolean) {
  const own = author === session.me.id;
  // Where the reader wrote it, it is shown by then.
  if (own) await whenPosted();
  const feed = shownFeed();
  if (feed && !feed.has(tweet)) {
    const { scope, replies } = feed.selection;
    const wanted = parent === null || replies === "all";
    // If some tab shows everyone's tweets, the server also sends tweets that do not belong in the other feed.
    const isCertain = parent === null && (scope === "everyone" || !everyone);
    if (wanted && isCertain) feed.announce(tweet);
    if (wanted) checkForNewSoon(feed, isCertain ? [tweet] : []);
  }
  if (parent !== null && shownThread()?.tweet?.root_id === root) {
    const answersReader = cachedTweet(parent)?.author.id === session.me.id;
    readReply(tweet, own || answersReader ? 0 : Math.random() * SPREAD_MS);
  }
}

/** The feeds that are checked soon, with the announced tweets that they should have then. */
const scheduledFeeds = new Map<Feed, number[]>();

/** Loads the new tweets in advance, so that they appear at once when the reader wants to see them. */
function checkForNewSoon(feed: Feed, announced: number[]) {
  const scheduled = scheduledFeeds.get(feed);
  if (scheduled) return void scheduled.push(...announced);
  const ids = [...announced];
  scheduledFeeds.set(feed, ids);
  setTimeout(async () => {
    scheduledFeeds.delete(feed);
    const missing = () => ids.filter((id) => !feed.has(id));
    await feed.checkForNew();
    await retryWhile(
      () => missing().length > 0,
      () => feed.checkForNew(),
    );
    for (const id of missing()) feed.forget(id);
  }, Math.random() * SPREAD_MS);
}

let pendingReplies = new Set<number>();
let repliesTimer: ReturnType<typeof setTimeout> | undefined;
let repliesDueAt = Infinity;

function readReply(id: number, delay: number) {
  pendingReplies.add(id);
  if (Date.now() + delay >= repliesDueAt) return;
  clearTimeout(repliesTimer);
  repliesDueAt = Date.now() + delay;
  repliesTimer = setTimeout(() => void readReplies(), delay);
}

async function readReplies() {
  repliesDueAt = Infinity;
  const wanted = [...pendingReplies].slice(0, MAX_IDS);
  pendingReplies = new Set([...pendingReplies].slice(MAX_IDS));
  let missing = wanted;
  const readMissing = async () => {
    const found = (await orNull(() => api.tweetsById(missing))) ?? [];
    const thread = shownThread();
    if (thread)
      addNewReplies(
        thread,
        found.map((tweet) => cacheTweet(tweet)),
      );
    missing = missing.filter((id) => !found.some((tweet) => tweet.id === id));
  };
  await readMissing();
  await retryWhile(() => missing.length > 0, readMissing);
}

let completionTimer: ReturnType<typeof setTimeout> | undefined;

/**
 * The server sends no notice of a reply that was posted after the thread was read and before the server
 * knew that the thread is shown. Only the parent's number of replies shows that it is missing.
 */
function completeThreadLater() {
  completionTimer ??= setTimeout(() => {
    completionTimer = undefined;
    const thread = shownThread();
    if (thread && hasMissingReplies(thread)) void catchUpThread(thread);
  }, SPREAD_MS + RETRY_DELAYS_MS[0]);
}

/** Loads what may have changed while no notices arrived. */
function catchUp() {
  void shownFeed()?.checkForNew();
  void catchUpOthers();
}

/** The same for what the views do not poll themselves. */
async function catchUpOthers() {
  const thread = shownThread();
  const lists = route.current.view === "notifications" ? Object.values(notificationLists()) : [];
  await Promise.all([
    refreshUnread(),
    ...lists.map((list) => list.checkForNew()),
    thread && catchUpThread(thread),
  ]);
}

const refreshUnread = () => orNull(() => loadUnread(api.countUnread));

/** Returns null after an ApiError: the next notice or poll is soon. */
async function orNull<T>(request: () => Promise<T>): Promise<T | null> {
  try {
    return await request();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

/** Shows what the reader did in another tab. */
function showOwnChange(key: string, on: boolean) {
  const [kind, id] = key.split(" ");
  const tweet: Tweet | null = kind === "like" ? cachedTweet(Number(id)) : null;
  // The stream sends the number of likes.
  if (tweet) showLike(tweet, on, !live.streaming);
  if (kind === "follow") showFollow(Number(id), on);
}
