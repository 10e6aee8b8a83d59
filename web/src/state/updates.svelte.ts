/** Applies the server's notices to what the page shows. Fetched after the first script. */

import { untrack } from "svelte";
import { ApiError } from "../api/client";
import * as api from "../api/notifications";
import { SharedStream, type Notice } from "../api/stream";
import { homeFeed, type Feed } from "./feeds.svelte";
import { home } from "./home.svelte";
import { compareThread, grow, lacksReplies } from "./growth";
import { askUnread, live, showUnread } from "./live.svelte";
import { posted } from "./draft.svelte";
import { notificationLists } from "./notifications.svelte";
import { showFollow } from "./people.svelte";
import { route } from "./route.svelte";
import { recognize, who } from "./session.svelte";
import { isSettling, settling } from "./settle";
import { threadOf, type Thread } from "./threads.svelte";
import { keep, seenTweet, showLike, type Tweet } from "./tweets.svelte";

/** A notice reaches many readers at once: their reads are spread over this time. */
const SPREAD_MS = 3000;
/** When what a notice told of is not there yet, it is asked for once more after this time. */
const LATE_MS = 2000;
const POLL_MS = 20_000;
/** How often the open reports are counted for a moderator. */
const REPORTS_MS = 120_000;

/** Follows what happens for the reader; gives the function that ends it. */
export function startUpdates(): () => void {
  const { id } = who.me;
  const stream = new SharedStream(id, {
    hear,
    onStreaming: (streaming) => (live.streaming = streaming),
    onGap: compare,
    onRefused: () => void recognize(),
  });
  void readUnread();
  const countReports = () =>
    void import("./moderation.svelte").then((it) => it.countReports()).catch(() => {});
  const reports = who.me.moderator ? setInterval(countReports, REPORTS_MS) : undefined;
  if (reports) countReports();

  const stopWatching = watchScreen((tweets) => {
    shownTweets = tweets;
    tell();
  });
  let shownTweets: number[] = [];
  const tell = () =>
    stream.watch({ tweets: shownTweets, threads: shownThreads(), everyone: showsEveryone() });
  const stopEffects = $effect.root(() => {
    $effect(() => {
      void [shownThreads().join(), showsEveryone()];
      untrack(tell);
    });
  });

  const poll = setInterval(() => {
    if (!live.streaming && !document.hidden) void compareOthers();
  }, POLL_MS);

  const acts = new BroadcastChannel(`warble.acts.${id}`);
  acts.onmessage = ({ data }: MessageEvent<[string, boolean]>) => showAct(...data);
  settling.done = (key, on) => acts.postMessage([key, on]);

  return () => {
    stream.close();
    stopWatching();
    stopEffects();
    clearInterval(poll);
    clearInterval(reports);
    acts.close();
    settling.done = () => {};
    live.unread = 0;
  };
}

// What is shown.

const shownThread = (): Thread | null =>
  route.current.view === "tweet" ? threadOf(route.current.id) : null;

const shownThreads = () => {
  const thread = shownThread();
  return thread ? [thread.tweet?.root_id ?? thread.id] : [];
};

const shownFeed = (): Feed | null =>
  who.state === "signed in" && route.current.view === "home" ? homeFeed(home.scope) : null;

const showsEveryone = () => shownFeed()?.selection.scope === "everyone";

/** Calls `changed` with the tweets on the screen, each time others are. */
function watchScreen(changed: (tweets: number[]) => void): () => void {
  const visible = new Set<Element>();
  const observed = new WeakSet<Element>();
  const screen = new IntersectionObserver((entries) => {
    // An element that is taken out of the page counts as one that is not visible any more.
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) visible.add(target);
      else visible.delete(target);
    }
    changed([...visible].map((element) => Number((element as HTMLElement).dataset.tweet)));
  });
  const find = () => {
    for (const element of document.querySelectorAll("[data-tweet]")) {
      if (observed.has(element)) continue;
      observed.add(element);
      screen.observe(element);
    }
  };
  const page = new MutationObserver(find);
  page.observe(document.body, { childList: true, subtree: true });
  find();
  return () => {
    page.disconnect();
    screen.disconnect();
  };
}

// What has happened.

function hear(notice: Notice) {
  if (who.state !== "signed in") return;
  switch (notice.kind) {
    case "tweet":
      return void onTweet(notice.content, notice.everyone);
    case "deleted": {
      const { tweet: id } = notice.content;
      const tweet = seenTweet(id);
      if (tweet) tweet.deleted = true;
      shownFeed()?.forget(id);
      return;
    }
    case "counts": {
      const { tweet: id, likes, replies } = notice.content;
      const tweet = seenTweet(id);
      if (!tweet) return;
      if (!isSettling(`like ${id}`)) tweet.like_count = likes;
      tweet.reply_count = replies;
      completeThread();
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
      return compare();
    case "ended":
      return void recognize();
  }
}

type NewTweet = Extract<Notice, { kind: "tweet" }>["content"];

async function onTweet({ tweet, author, root, parent }: NewTweet, everyone: boolean) {
  const own = author === who.me.id;
  // Where the reader wrote it, it is shown by then.
  if (own) await posted();
  const feed = shownFeed();
  if (feed && !feed.has(tweet)) {
    const { scope, replies } = feed.selection;
    const wanted = parent === null || replies === "all";
    // With a tab that shows everyone's tweets, the server tells of tweets that another feed lacks.
    const certain = parent === null && (scope === "everyone" || !everyone);
    if (wanted && certain) feed.announce(tweet);
    if (wanted) lookSoon(feed);
  }
  if (parent !== null && shownThread()?.tweet?.root_id === root) {
    const answersReader = seenTweet(parent)?.author.id === who.me.id;
    readReply(tweet, own || answersReader ? 0 : Math.random() * SPREAD_MS);
  }
}

const looking = new Set<Feed>();

/** Reads the new tweets ahead, so that they are here when the reader wants them. */
function lookSoon(feed: Feed, spread = Math.random() * SPREAD_MS) {
  if (looking.has(feed)) return;
  looking.add(feed);
  setTimeout(async () => {
    looking.delete(feed);
    const announced = feed.announced;
    await feed.look();
    if (announced.some((id) => !feed.has(id))) setTimeout(() => void feed.look(), LATE_MS);
  }, spread);
}

let replies = new Set<number>();
let reading: ReturnType<typeof setTimeout> | undefined;
let readingAt = Infinity;

function readReply(id: number, delay: number) {
  replies.add(id);
  if (Date.now() + delay >= readingAt) return;
  clearTimeout(reading);
  readingAt = Date.now() + delay;
  reading = setTimeout(() => void readReplies(), delay);
}

async function readReplies(again = true) {
  readingAt = Infinity;
  const wanted = [...replies].slice(0, 100);
  replies = new Set([...replies].slice(100));
  const found = await read(() => api.tweetsById(wanted));
  if (!found) return;
  const ids = new Set(found.map(({ id }) => id));
  const thread = shownThread();
  if (thread)
    grow(
      thread,
      found.map((tweet) => keep(tweet)),
    );
  const late = wanted.filter((id) => !ids.has(id));
  if (!late.length || !again) return;
  for (const id of late) replies.add(id);
  setTimeout(() => void readReplies(false), LATE_MS);
}

let completing: ReturnType<typeof setTimeout> | undefined;

/**
 * A reply that was posted after the thread was read, and before the server knew that it is shown, is
 * told by the count of its parent alone.
 */
function completeThread() {
  completing ??= setTimeout(() => {
    completing = undefined;
    const thread = shownThread();
    if (thread && lacksReplies(thread)) void compareThread(thread);
  }, SPREAD_MS + LATE_MS);
}

/** Reads what the page shows of the server, which has told of nothing for a while. */
function compare() {
  void shownFeed()?.look();
  void compareOthers();
}

/** The same for what no view looks after. */
async function compareOthers() {
  const thread = shownThread();
  const lists = route.current.view === "notifications" ? Object.values(notificationLists()) : [];
  await Promise.all([
    readUnread(),
    ...lists.map((list) => list.compare()),
    thread && compareThread(thread),
  ]);
}

const readUnread = () => read(() => askUnread(api.unread));

/** Gives null where the API refuses: the next notice or the next look is soon. */
async function read<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

/** What the reader did in another tab. */
function showAct(key: string, on: boolean) {
  const [what, id] = key.split(" ");
  const tweet: Tweet | null = what === "like" ? seenTweet(Number(id)) : null;
  // The stream tells the number.
  if (tweet) showLike(tweet, on, !live.streaming);
  if (what === "follow") showFollow(Number(id), on);
}
