/** Tweets for every state of TweetCard. */

import { cacheTweet, type Tweet } from "../src/state/tweetCache.svelte";
import { LONG_NAME, ME, RTL } from "./answers";

/** A picture of a circle on a coloured ground, as a data URL. */
export const picture = (width: number, height: number, colour: string) =>
  `data:image/svg+xml,${encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
      `<rect width="100%" height="100%" fill="${colour}"/>` +
      `<circle cx="50%" cy="50%" r="20%" fill="#f4f4ee"/></svg>`,
  )}`;

const media = (width: number, height: number, colour: string) => ({
  url: picture(width, height, colour),
  thumbnail: picture(width, height, colour),
  width,
  height,
  colour,
  alt: "A circle",
});

const BORIS = { id: 2, name: "Boris Gray" };
let lastId = 0;

export const tweet = (content: string, fields: Partial<Tweet> = {}): Tweet => {
  const id = ++lastId;
  return cacheTweet({
    id,
    content,
    attachments: [],
    author: BORIS,
    likes: [],
    created_at: "2026-11-29T11:07:00Z",
    stamp: "2026-11-29T11:07:00Z",
    media: [],
    reply_to: null,
    root_id: id,
    entities: [],
    reply_count: 0,
    like_count: 0,
    liked: false,
    conversation: null,
    followed_tag: null,
    in_reply_to: null,
    ...fields,
  });
};

export const TWEETS = {
  ordinary: tweet("The new release is out: people are found in both alphabets now."),
  liked: tweet("Кто идёт обедать?", {
    author: { id: 3, name: "Вера Соколова" },
    liked: true,
    like_count: 12_345,
    reply_count: 3,
    created_at: "2026-11-27T11:07:00Z",
  }),
  own: tweet("What I write myself, with more actions.", { author: ME, like_count: 1 }),
  reply: tweet("I am in.", {
    reply_to: 2,
    root_id: 2,
    in_reply_to: { id: 2, author: { id: 3, name: "Вера Соколова" } },
  }),
  orphan: tweet("To something that is gone.", {
    reply_to: 900,
    root_id: 900,
    in_reply_to: { id: 900, author: null },
  }),
  conversation: tweet("With a conversation of people whom one follows.", {
    reply_count: 7,
    conversation: {
      reply_count: 4,
      person_count: 3,
      latest_reply_id: 90,
      people: [{ id: 3, name: "Вера Соколова" }],
    },
  }),
  tag: tweet("With a hashtag that one follows: #release", { followed_tag: "release" }),
  long: tweet("Donaudampfschifffahrtsgesellschaft".repeat(8), {
    author: { id: 4, name: LONG_NAME },
    created_at: "2025-03-01T11:07:00Z",
  }),
  rtl: tweet(`${RTL}A text from right to left, with 123 and a name.`, {
    author: { id: 5, name: `${RTL}Mona Haddad` },
  }),
  one: tweet("One picture.", { media: [media(640, 400, "#3d6b5c")] }),
  portrait: tweet("A tall one.", { media: [media(300, 900, "#7a4b6b")] }),
  four: tweet("Four pictures.", {
    media: ["#3d6b5c", "#7a4b6b", "#8a6a00", "#35507a"].map((colour) => media(400, 400, colour)),
  }),
  broken: tweet("A picture that cannot be loaded.", {
    media: [{ ...media(640, 400, "#3d6b5c"), thumbnail: "data:image/png,broken" }],
  }),
};
